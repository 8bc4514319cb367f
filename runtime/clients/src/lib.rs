//! The settings files of MCP clients. Every client starts servers from an entry in a file of its
//! own, each in another place and another form. What is here knows the places and the forms, and
//! puts entries in and takes them out without touching anything else in the file.
//!
//! - [`client`]: the clients, where their files are, and what an entry looks like there.
//! - [`entry`]: what starts one server.
//! - [`edit`]: text in, text out; `edit::json` and `edit::toml` do it for their syntax.
//! - [`settings`]: one file: what a change would make of it, and the change itself.
//! - `replace`: a file is replaced in one step, or not at all.
//!
//! ```
//! use ropewalk_clients::client::{Client, Scope};
//! use ropewalk_clients::edit;
//! use ropewalk_clients::entry::Entry;
//!
//! let entry = Entry {
//!     name: "ropewalk".into(),
//!     command: "/usr/bin/ropewalk".into(),
//!     args: vec!["mcp".into()],
//! };
//! let form = Client::VsCode.form();
//! let text = "{\n  // mine\n  \"servers\": {\"other\": {\"command\": \"other\"}}\n}\n";
//! let changed = edit::put(text, &form, &entry).unwrap();
//! assert!(changed.contains("// mine") && changed.contains("/usr/bin/ropewalk"));
//! assert_eq!(edit::take(&changed, &form, "ropewalk").unwrap(), text);
//! ```

pub mod client;
pub mod edit;
pub mod entry;
mod replace;
pub mod settings;
