//! Standard input and output of a server.
//!
//! An MCP client gives its servers pipes, or sockets where it is written for Node. Those are
//! awaited themselves: a thread between, as files and terminals need it, costs each message two
//! changes of thread each way, which is more than all the rest of a small call.

use tokio::io::{AsyncRead, AsyncWrite};

/// Standard input. Taken once: nobody else may read it.
pub(crate) fn input() -> Box<dyn AsyncRead + Send + Unpin> {
    #[cfg(unix)]
    if let Some(input) = awaited::input() {
        return input;
    }
    Box::new(tokio::io::stdin())
}

/// Standard output. Taken once: nobody else may write to it.
pub(crate) fn output() -> Box<dyn AsyncWrite + Send + Unpin> {
    #[cfg(unix)]
    if let Some(output) = awaited::output() {
        return output;
    }
    Box::new(tokio::io::stdout())
}

#[cfg(unix)]
mod awaited {
    use std::fs::File;
    use std::io;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net;

    use tokio::io::{AsyncRead, AsyncWrite};
    use tokio::net::UnixStream;
    use tokio::net::unix::pipe;

    pub(super) fn input() -> Option<Box<dyn AsyncRead + Send + Unpin>> {
        let input = io::stdin();
        if let Ok(pipe) = pipe::Receiver::from_owned_fd(input.as_fd().try_clone_to_owned().ok()?) {
            return Some(Box::new(pipe));
        }
        Some(Box::new(socket(input.as_fd().try_clone_to_owned().ok()?)?))
    }

    pub(super) fn output() -> Option<Box<dyn AsyncWrite + Send + Unpin>> {
        let output = io::stdout();
        // What is awaited no longer blocks its writers, and logs are written by who expects that.
        if same(output.as_fd().try_clone_to_owned().ok()?, logs()?).ok()? {
            return None;
        }
        if let Ok(pipe) = pipe::Sender::from_owned_fd(output.as_fd().try_clone_to_owned().ok()?) {
            return Some(Box::new(pipe));
        }
        Some(Box::new(socket(output.as_fd().try_clone_to_owned().ok()?)?))
    }

    fn logs() -> Option<OwnedFd> {
        io::stderr().as_fd().try_clone_to_owned().ok()
    }

    fn same(one: OwnedFd, other: OwnedFd) -> io::Result<bool> {
        let (one, other) = (File::from(one).metadata()?, File::from(other).metadata()?);
        Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
    }

    fn socket(fd: OwnedFd) -> Option<UnixStream> {
        let socket = net::UnixStream::from(fd);
        // Fails for everything that is no socket of this machine.
        socket.local_addr().ok()?;
        socket.set_nonblocking(true).ok()?;
        UnixStream::from_std(socket).ok()
    }
}
