//! Servers as a person writes them.

pub(crate) mod standard;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use ropewalk_core::secret;
use serde::Deserialize;

use crate::elicitation::is_this_machine;

pub use standard::parse_mcp_json;

/// How long a server may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// How long nothing may be heard of a call.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// So many times its timeout may a call take that reports progress.
const MOST_TIMEOUTS: u32 = 10;

/// One MCP server: a command to start, or a URL to call.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Program to start; it speaks MCP on standard input and output. It is started as it is: no
    /// shell reads its arguments.
    pub command: Option<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables it gets besides the few every program needs. `${env:NAME}` and
    /// `${keyring:service/user}` in a value are replaced when it is started.
    pub env: BTreeMap<String, String>,
    /// Folder it starts in.
    pub cwd: Option<PathBuf>,
    /// Address of a server that speaks streamable HTTP.
    pub url: Option<String>,
    /// HTTP headers sent with every request to `url`, with the same replacements as in `env`.
    pub headers: BTreeMap<String, String>,
    /// Environment variable that holds the bearer token for `url`.
    pub bearer_env: Option<String>,
    /// Entry of the system's keyring, `service/user`, that holds the bearer token for `url`.
    pub bearer_keyring: Option<String>,
    /// How to get a token where the server of `url` wants one and neither of the above is set.
    pub oauth: OauthConfig,
    /// Seconds it may take to start.
    pub start_timeout_s: Option<u64>,
    /// Seconds for which nothing may be heard of a call.
    pub timeout_s: Option<u64>,
    /// Seconds a call may take in all, however much progress it reports.
    pub max_timeout_s: Option<u64>,
    /// Tools that may run without asking; `*` means all of them.
    pub allow: Vec<String>,
    /// Whether the server may have this program's model complete texts.
    pub sampling: bool,
    /// Folders that the server is told it may work in.
    pub roots: Vec<PathBuf>,
    /// Whether you vouch for what it says of its tools: that one only reads, or reaches nothing
    /// outside.
    pub vouched: bool,
    /// Left out when true.
    pub disabled: bool,
    /// Kind of transport, as some clients write it; `command` or `url` already says it.
    #[serde(rename = "type")]
    pub transport: Option<String>,
}

/// What is sent to a server is not shown: it may be secret.
impl std::fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerConfig")
            .field("command", &self.command)
            .field("args", &self.args)
            .field("env", &self.env.keys())
            .field("cwd", &self.cwd)
            .field("url", &self.url)
            .field("headers", &self.headers.keys())
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}

/// How this program makes itself known to the authorization server of an MCP server. All of it is
/// optional: most servers let a program register itself.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OauthConfig {
    /// Id under which this program was registered by hand.
    #[serde(alias = "clientId")]
    pub client_id: Option<String>,
    /// The secret that goes with it; `${env:NAME}` and `${keyring:service/user}` are replaced.
    #[serde(alias = "clientSecret")]
    pub client_secret: Option<String>,
    /// The only authorization server that may have them.
    pub issuer: Option<String>,
    /// `https:` address of a client id metadata document, for servers that take one for an id.
    pub client_metadata_url: Option<String>,
    /// Scopes to ask for, instead of those that the server names.
    pub scopes: Vec<String>,
    /// Where the browser comes back to, `http://127.0.0.1:PORT/PATH`, where it must be one that was
    /// registered.
    pub redirect_uri: Option<String>,
}

impl std::fmt::Debug for OauthConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OauthConfig")
            .field("client_id", &self.client_id)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// The fields of [`ServerConfig`].
const FIELDS: [&str; 18] = [
    "command",
    "args",
    "env",
    "cwd",
    "url",
    "headers",
    "bearer_env",
    "bearer_keyring",
    "oauth",
    "start_timeout_s",
    "timeout_s",
    "max_timeout_s",
    "allow",
    "sampling",
    "roots",
    "vouched",
    "disabled",
    "type",
];

impl ServerConfig {
    /// Values in it that are nobody else's business: the token, and what stands under names of
    /// secrets.
    pub fn secrets(&self) -> Vec<String> {
        let named = self.env.iter().chain(&self.headers);
        // What only refers to a secret is looked up, and learned, when it is needed.
        let named =
            named.filter(|(name, value)| secret::is_secret_name(name) && !value.contains("${"));
        let mut found: Vec<String> = named.map(|(_, value)| value.clone()).collect();
        // Of `Bearer TOKEN` the token alone is secret as well.
        let parts = found.iter().filter_map(|value| value.split_once(' '));
        let parts: Vec<String> = parts.map(|(_, token)| token.to_owned()).collect();
        found.extend(parts);
        let token = self
            .bearer_env
            .as_ref()
            .and_then(|name| std::env::var(name).ok());
        found.extend(token);
        found
    }

    /// Says what is wrong with an entry that cannot be used.
    ///
    /// # Errors
    /// With what to write instead.
    pub fn check(&self) -> Result<(), String> {
        let timeouts = [self.timeout_s, self.start_timeout_s, self.max_timeout_s];
        if timeouts.contains(&Some(0)) {
            return Err("a timeout of 0 seconds lets nothing through; write 1 or more".to_owned());
        }
        match (&self.command, &self.url) {
            (None, None) => Err("write either `command` or `url`".to_owned()),
            (Some(_), Some(_)) => Err("write `command` or `url`, not both".to_owned()),
            (Some(command), None) => self.check_command(command),
            (None, Some(url)) => self.check_url(url),
        }
    }

    fn check_command(&self, command: &str) -> Result<(), String> {
        if command.trim().is_empty() {
            return Err("`command` is empty".to_owned());
        }
        let argv = std::iter::once(command).chain(self.args.iter().map(String::as_str));
        if argv.into_iter().any(|part| part.contains('\0')) {
            return Err("`command` and `args` cannot hold a zero byte".to_owned());
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(format!(
                    "`{}` is no environment variable",
                    name.escape_debug()
                ));
            }
        }
        let only_http = [
            ("headers", !self.headers.is_empty()),
            ("bearer_env", self.bearer_env.is_some()),
            ("bearer_keyring", self.bearer_keyring.is_some()),
            ("oauth", self.oauth != OauthConfig::default()),
        ];
        match only_http.iter().find(|(_, written)| *written) {
            Some((field, _)) => Err(format!("`{field}` is for servers with a `url`")),
            None => Ok(()),
        }
    }

    fn check_url(&self, url: &str) -> Result<(), String> {
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(format!(
                "`url` must start with http:// or https://, not `{url}`"
            ));
        }
        let parsed = Url::parse(url).map_err(|error| format!("`url` is no address: {error}"))?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(
                "`url` holds a name or password; write `headers` or `bearer_env` instead"
                    .to_owned(),
            );
        }
        if let Some(redirect) = &self.oauth.redirect_uri {
            let local = Url::parse(redirect)
                .is_ok_and(|url| url.scheme() == "http" && is_this_machine(&url));
            if !local {
                return Err(format!(
                    "`redirect_uri` must be on this machine, as http://127.0.0.1:8137/callback, \
                     not `{redirect}`"
                ));
            }
        }
        match &self.oauth.client_metadata_url {
            Some(document) if !document.starts_with("https://") => {
                Err("`client_metadata_url` must start with https://".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The folders it is told of, as addresses.
    pub(crate) fn root_uris(&self) -> Vec<String> {
        let absolute = |path: &PathBuf| std::path::absolute(path).ok();
        let uris = self.roots.iter().filter_map(absolute);
        uris.filter_map(|path| Url::from_file_path(path).ok())
            .map(String::from)
            .collect()
    }

    /// How long it may take to start.
    pub(crate) fn start_timeout(&self) -> Duration {
        self.start_timeout_s
            .map_or(START_TIMEOUT, Duration::from_secs)
    }

    /// For how long nothing may be heard of a call.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout_s.map_or(CALL_TIMEOUT, Duration::from_secs)
    }

    /// How long a call may take in all.
    pub(crate) fn max_timeout(&self) -> Duration {
        self.max_timeout_s.map_or_else(
            || self.timeout().saturating_mul(MOST_TIMEOUTS),
            Duration::from_secs,
        )
    }
}
