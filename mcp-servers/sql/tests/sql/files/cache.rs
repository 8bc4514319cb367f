//! What is kept for the next time.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use ropewalk_sql::database::{Engine, Files};
use ropewalk_sql::guard::Rules;
use serde_json::json;

use super::made::{Folder, ending, rows};

async fn open(file: &Path, cache: &Path) -> Files {
    let paths = [file.to_owned()];
    Files::open(&paths, Some(cache), Rules::default())
        .await
        .unwrap()
}

#[tokio::test]
async fn tables_are_made_again_only_when_a_file_changed() {
    let (folder, cache) = (Folder::new(), Folder::new());
    let path = folder.write("t.csv", b"n,city\n1,Malm\xF6\n");
    let first = open(&path, &cache.path).await;
    let made = std::fs::metadata(first.path()).unwrap().modified().unwrap();
    // Written once more, but the same.
    folder.write("t.csv", b"n,city\n1,Malm\xF6\n");
    let second = open(&path, &cache.path).await;
    assert_eq!(second.path(), first.path());
    assert_eq!(
        std::fs::metadata(second.path())
            .unwrap()
            .modified()
            .unwrap(),
        made
    );
    assert_eq!(second.notes(), first.notes());
    assert_eq!(
        (second.notes().len(), second.origins()),
        (1, first.origins())
    );
    // As long as before, and as old.
    let before = std::fs::metadata(&path).unwrap().modified().unwrap();
    folder.write("t.csv", b"n,city\n2,Malm\xF6\n");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(before).unwrap();
    let third = open(&path, &cache.path).await;
    assert_eq!(rows(&third, "SELECT n FROM t").await, [[json!(2)]]);
    // Whoever still asks the old ones is answered, also where many ask.
    assert_eq!(first.schema().await.unwrap().tables.len(), 1);
    let asked = (0..8).map(|_| rows(&first, "SELECT n, max(n) OVER () FROM t"));
    for rows in futures::future::join_all(asked).await {
        assert_eq!(rows, [[json!(1), json!(1)]]);
    }
    assert_eq!(ending(&cache.path, ".db").len(), 2);
    drop((first, second, third));
    folder.write("t.csv", b"n,city\n3,Malm\xF6\n");
    let fourth = open(&path, &cache.path).await;
    assert_eq!(ending(&cache.path, ".db"), [fourth.path()]);
}

/// What a file holds that nobody else may read, nobody else reads in the cache.
#[cfg(unix)]
#[tokio::test]
async fn tables_are_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let path = folder.write("t.csv", "n\n1\n");
    let cache = folder.path.join("cache").join("files");
    let files = open(&path, &cache).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&cache), mode(files.path())), (0o700, 0o600));
}

#[tokio::test]
async fn what_was_spoiled_is_made_again() {
    let (folder, cache) = (Folder::new(), Folder::new());
    let path = folder.write("t.csv", "n\n1\n");
    for spoil in [
        |path: &Path| std::fs::write(path, "no database").unwrap(),
        |path: &Path| std::fs::write(path, "").unwrap(),
        |path: &Path| std::fs::remove_file(path.with_extension("json")).unwrap(),
    ] {
        spoil(open(&path, &cache.path).await.path());
        let files = open(&path, &cache.path).await;
        assert_eq!(rows(&files, "SELECT n FROM t").await, [[json!(1)]]);
        assert_eq!(files.origins().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_make_them_once() {
    let (folder, cache) = (Folder::new(), Folder::new());
    let path = folder.write("t.csv", "n\n".to_owned() + &"1\n".repeat(20_000));
    let opened = (0..6).map(|_| {
        let (path, cache) = (path.clone(), cache.path.clone());
        tokio::spawn(async move { open(&path, &cache).await })
    });
    for files in opened.collect::<Vec<_>>() {
        let files = files.await.unwrap();
        assert_eq!(
            rows(&files, "SELECT count(*) FROM t").await,
            [[json!(20_000)]]
        );
    }
    assert_eq!(ending(&cache.path, ".db").len(), 1);
    assert_eq!(cache.names().len(), 3, "{:?}", cache.names());
}

/// Runs itself once more as the process that is killed.
#[tokio::test]
async fn a_process_that_is_killed_leaves_nothing_half() {
    const CHILD: &str = "ROPEWALK_TEST_FILES_CHILD";
    if let Ok(told) = std::env::var(CHILD) {
        let (file, cache) = told.split_once('\n').unwrap();
        open(Path::new(file), Path::new(cache)).await;
        return;
    }
    let (folder, cache) = (Folder::new(), Folder::new());
    let text = "n,text\n".to_owned() + &"1,some words to fill a row\n".repeat(200_000);
    let path = folder.write("t.csv", text);
    for kilobytes in [0, 500, 2_000] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "files::cache::a_process_that_is_killed_leaves_nothing_half",
                "--exact",
            ])
            .env(
                CHILD,
                format!("{}\n{}", path.display(), cache.path.display()),
            )
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let begun = SystemTime::now();
        loop {
            let parts = ending(&cache.path, ".part");
            let written = parts.first().and_then(|part| std::fs::metadata(part).ok());
            if written.is_some_and(|part| part.len() > kilobytes << 10) {
                break;
            }
            assert!(begun.elapsed().unwrap() < Duration::from_secs(120));
            assert_eq!(
                child.try_wait().unwrap(),
                None,
                "it was done before it was killed"
            );
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(ending(&cache.path, ".db").is_empty());
        assert_eq!(ending(&cache.path, ".part").len(), 1);
    }
    let files = open(&path, &cache.path).await;
    let sql = "SELECT count(*), sum(n) FROM t";
    assert_eq!(rows(&files, sql).await, [[json!(200_000), json!(200_000)]]);
    assert!(ending(&cache.path, ".part").is_empty());
}

#[tokio::test]
async fn without_a_cache_nothing_stays() {
    let folder = Folder::new();
    let path = folder.write("t.csv", "n\n1\n");
    let files = super::made::open(&[&path]).await.unwrap();
    let kept = files.path().to_owned();
    assert!(kept.exists());
    drop(files);
    assert!(!kept.exists() && !kept.parent().unwrap().exists());
    assert_eq!(folder.names(), ["t.csv"]);
}

#[tokio::test]
async fn what_a_killed_process_left_goes_with_the_next() {
    let new = || {
        let mut named = tempfile::Builder::new();
        named.prefix("ropewalk-files-").tempdir().unwrap()
    };
    let (left, used) = (new(), new());
    for folder in [&left, &used] {
        std::fs::write(folder.path().join("tables.db"), "").unwrap();
    }
    std::fs::write(left.path().join("lock"), "").unwrap();
    let lock = std::fs::File::create(used.path().join("lock")).unwrap();
    lock.lock().unwrap();
    let folder = Folder::new();
    let path = folder.write("t.csv", "n\n1\n");
    let files = super::made::open(&[&path]).await.unwrap();
    assert!(!left.path().exists());
    assert!(used.path().exists());
    assert_eq!(rows(&files, "SELECT n FROM t").await, [[json!(1)]]);
}
