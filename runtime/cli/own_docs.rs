//! Ropewalk's own documentation, compiled into the program: what `ask` answers from by default.

use include_dir::{Dir, include_dir};

static DOCS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/docs");
static README: &str = include_str!("../../README.md");

/// Name of the collection it is kept in.
pub(crate) const COLLECTION: &str = "ropewalk-docs";

/// Every page, by its path in the repository.
pub(crate) fn pages() -> Vec<(String, String)> {
    let mut pages = vec![("README.md".to_owned(), README.to_owned())];
    gather(&DOCS, &mut pages);
    pages
}

fn gather(folder: &Dir<'_>, pages: &mut Vec<(String, String)>) {
    for file in folder.files() {
        let path = file.path().to_string_lossy().replace('\\', "/");
        if let (true, Some(text)) = (path.ends_with(".md"), file.contents_utf8()) {
            pages.push((format!("docs/{path}"), text.to_owned()));
        }
    }
    for inner in folder.dirs() {
        gather(inner, pages);
    }
}
