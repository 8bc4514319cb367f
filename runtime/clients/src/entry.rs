//! What starts one server.

/// How a client starts a server over standard input and output. There is no environment in it:
/// secrets do not belong into the files of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the client calls the server.
    pub name: String,
    /// Absolute path of the program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
}

/// The program whose entries are ours to change.
const PROGRAM: &str = "ropewalk";

/// Whether an entry with this command starts our program, wherever it is installed.
pub(crate) fn starts_us(command: &str) -> bool {
    let name = command.rsplit(['/', '\\']).next().unwrap_or(command);
    name.strip_suffix(".exe").unwrap_or(name) == PROGRAM
}

#[cfg(test)]
mod tests {
    use super::starts_us;

    #[test]
    fn our_program_is_known_by_its_name() {
        for command in [
            "ropewalk",
            "/opt/bin/ropewalk",
            r"C:\Program Files\ropewalk.exe",
        ] {
            assert!(starts_us(command), "{command}");
        }
        for command in ["", "npx", "/opt/ropewalk/other", "ropewalker"] {
            assert!(!starts_us(command), "{command}");
        }
    }
}
