//! How a server of MySQL or MariaDB is reached: what its address says, and how secretly.

use mysql_async::{Conn, DriverError, Error, Opts, OptsBuilder, SslOpts};

use crate::database::asking::KEEPALIVE;
use crate::database::tls;

/// The most bytes of one row that are read: a row of more ends the connection, and no memory is
/// taken for it.
pub(super) const MAX_ROW: usize = 8 << 20;

/// Whether what is said on the way to the server is secret. These are the modes of MySQL's own
/// programs, and so is what is done without one: secret from those who listen where the server
/// can, but anybody may be the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secrecy {
    Disabled,
    Preferred,
    Required,
    VerifyCa,
    VerifyIdentity,
}

/// Where a server is and who asks.
pub(super) struct Address {
    reach: OptsBuilder,
    secrecy: Secrecy,
}

impl Address {
    /// Reads `mysql://user:password@host/database`, which may end in `?ssl-mode=…`; `None` where it
    /// is something else. `mariadb://` means the same.
    pub(super) fn read(url: &str) -> Option<Self> {
        let rest = url
            .strip_prefix("mysql://")
            .or_else(|| url.strip_prefix("mariadb://"))?;
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        let secrecy = secrecy(options)?;
        let read = Opts::from_url(&format!("mysql://{place}")).ok()?;
        read.db_name()?;
        // Taken out of the address, so that looking up the host does not hold a thread.
        let host = read.ip_or_hostname().trim_matches(['[', ']']).to_owned();
        let port = read.tcp_port();
        let reach = OptsBuilder::from_opts(read)
            .ip_or_hostname(host)
            .tcp_port(port)
            // The server is not asked for another way to itself.
            .prefer_socket(false)
            .max_allowed_packet(Some(MAX_ROW))
            .tcp_keepalive(Some(KEEPALIVE));
        Some(Self { reach, secrecy })
    }

    /// A first connection, and how the next ones are made like it.
    pub(super) async fn reach(self) -> Result<(Conn, OptsBuilder), Error> {
        tls::provide();
        if self.secrecy == Secrecy::Disabled {
            return Ok((Conn::new(self.reach.clone()).await?, self.reach));
        }
        let secret = self.reach.clone().ssl_opts(certificates(self.secrecy));
        match Conn::new(secret.clone()).await {
            Err(Error::Driver(DriverError::NoClientSslFlagFromServer))
                if self.secrecy == Secrecy::Preferred =>
            {
                Ok((Conn::new(self.reach.clone()).await?, self.reach))
            }
            reached => Ok((reached?, secret)),
        }
    }
}

/// What an address says after its question mark: nothing but how secret it is.
fn secrecy(options: &str) -> Option<Secrecy> {
    let mut secrecy = Secrecy::Preferred;
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=')?;
        if !matches!(
            name.to_lowercase().as_str(),
            "ssl-mode" | "ssl_mode" | "sslmode"
        ) {
            return None;
        }
        secrecy = match value.to_lowercase().replace('-', "_").as_str() {
            "disabled" | "disable" => Secrecy::Disabled,
            "preferred" | "prefer" => Secrecy::Preferred,
            "required" | "require" => Secrecy::Required,
            "verify_ca" => Secrecy::VerifyCa,
            "verify_identity" | "verify_full" => Secrecy::VerifyIdentity,
            _ => return None,
        };
    }
    Some(secrecy)
}

fn certificates(secrecy: Secrecy) -> SslOpts {
    let verified = matches!(secrecy, Secrecy::VerifyCa | Secrecy::VerifyIdentity);
    let roots = if verified { tls::roots() } else { Vec::new() };
    SslOpts::default()
        // Where certificates are verified, by those that this machine trusts and no others.
        .with_disable_built_in_roots(verified)
        .with_root_certs(roots.into_iter().map(Into::into).collect())
        .with_danger_accept_invalid_certs(!verified)
        .with_danger_skip_domain_validation(secrecy != Secrecy::VerifyIdentity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_who_asks_and_how_secretly() {
        let address = Address::read("mariadb://ada:p%40ss@[::1]:3307/my%20data?ssl-mode=VERIFY_CA");
        let address = address.unwrap();
        assert_eq!(address.secrecy, Secrecy::VerifyCa);
        let read: Opts = address.reach.into();
        assert_eq!((read.ip_or_hostname(), read.tcp_port()), ("::1", 3307));
        assert_eq!(
            (read.user(), read.pass(), read.db_name()),
            (Some("ada"), Some("p@ss"), Some("my data"))
        );
        for wrong in [
            "postgres://ada@host/data",
            "mysql://ada@host",
            "mysql://ada@host/",
            "mysql:ada",
            "mysql://ada@host/data?pool_max=1000",
            "mysql://ada@host/data?ssl-mode=perhaps",
        ] {
            assert!(Address::read(wrong).is_none(), "{wrong}");
        }
    }
}
