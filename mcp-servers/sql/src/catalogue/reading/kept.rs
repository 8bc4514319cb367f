//! Values in a file, from one start to the next.
//!
//! Files are named by a database, a `-` and the rules that its values were read under, and nobody
//! but their owner can read them.

use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::catalogue::beside;
use crate::schema::Schema;
use crate::values::ValueIndex;

/// How long values are taken for what they were from one start to the next.
const FRESH: Duration = Duration::from_secs(24 * 3600);

/// The values that were kept, if they are of this schema and not old.
pub(super) async fn read(file: PathBuf, schema: Arc<Schema>) -> Option<ValueIndex> {
    beside(move || {
        if is_old(&file)? {
            return None;
        }
        let index: ValueIndex = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
        index.is_of(&schema).then_some(index)
    })
    .await
}

/// Keeps values for the next start; where that cannot be done they are read again.
pub(super) async fn write(file: PathBuf, values: Arc<ValueIndex>) {
    let written = beside(move || {
        forget_old(&file);
        replace(&file, &values)
    })
    .await;
    if let Err(error) = written {
        tracing::debug!(%error, "values are not kept for next time");
    }
}

fn is_old(file: &Path) -> Option<bool> {
    let written = file.metadata().ok()?.modified().ok()?;
    let age = SystemTime::now().duration_since(written);
    Some(age.unwrap_or_default() > FRESH)
}

/// The folder of a file, and what the names of all files of its database begin with.
fn place(file: &Path) -> Option<(&Path, String)> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let (database, _) = file.file_stem()?.to_str()?.split_once('-')?;
    Some((folder, format!("{database}-")))
}

/// Removes what nobody reads any more: values of the same database read under other rules, and
/// files that were not finished.
fn forget_old(file: &Path) {
    let Some((folder, database)) = place(file) else {
        return;
    };
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for other in files.map(|entry| entry.path()) {
        let name = other.file_name().and_then(|name| name.to_str());
        let own = name.is_some_and(|name| {
            name.starts_with(&database) && (name.ends_with(".json") || name.ends_with(".part"))
        });
        if own
            && other != file
            && is_old(&other) == Some(true)
            && let Err(error) = std::fs::remove_file(&other)
        {
            tracing::debug!(%error, "values that are old are not removed");
        }
    }
}

/// Puts a file in place as a whole, so that nobody reads half of one.
fn replace(file: &Path, values: &ValueIndex) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let prefix = place(file).map_or_else(|| "values-".to_owned(), |(_, database)| database);
    // For the owner alone, as such files are made.
    let whole = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".part")
        .tempfile_in(folder)?;
    let mut writer = std::io::BufWriter::new(whole);
    serde_json::to_writer(&mut writer, values)?;
    writer.flush()?;
    let whole = writer.into_inner().map_err(|error| error.into_error())?;
    whole.persist(file).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{File, Permissions, write};
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::{FRESH, read};
    use crate::schema::Schema;
    use crate::values::ValueIndex;

    #[tokio::test]
    async fn what_is_kept_is_the_owners_and_what_is_old_is_removed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join("values").join(name);
        std::fs::create_dir(folder.path().join("values")).unwrap();
        let before = SystemTime::now() - FRESH * 2;
        for (name, old) in [
            ("ab-1.json", true),
            ("ab-x.part", true),
            ("ab-2.json", false),
            ("cd-1.json", true),
            ("notes.txt", true),
        ] {
            write(path(name), "{}").unwrap();
            if old {
                let file = File::options().write(true).open(path(name)).unwrap();
                file.set_modified(before).unwrap();
            }
        }
        let schema = Arc::new(Schema::default());
        let values = Arc::new(ValueIndex::of(&schema, Vec::new(), Vec::new()));
        super::write(path("ab-3.json"), Arc::clone(&values)).await;
        let mut names: Vec<String> = std::fs::read_dir(folder.path().join("values"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["ab-2.json", "ab-3.json", "cd-1.json", "notes.txt"]);
        let mode = |permissions: Permissions| permissions.mode() & 0o777;
        let written = path("ab-3.json").metadata().unwrap();
        assert_eq!(mode(written.permissions()), 0o600);
        let kept = read(path("ab-3.json"), Arc::clone(&schema)).await.unwrap();
        assert_eq!(kept, *values);
        // Half a file, and an old one.
        assert_eq!(read(path("ab-2.json"), Arc::clone(&schema)).await, None);
        let file = File::options().write(true).open(path("ab-3.json")).unwrap();
        file.set_modified(before).unwrap();
        assert_eq!(read(path("ab-3.json"), schema).await, None);
    }
}
