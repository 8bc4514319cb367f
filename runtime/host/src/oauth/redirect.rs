//! Where the browser comes back to: a port of this machine, for one answer.

use std::net::Ipv4Addr;
use std::time::Duration;

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Path the browser comes back to.
const PATH: &str = "/callback";

/// Longest request a browser sends there, in bytes.
const MOST_BYTES: usize = 16 << 10;

/// How long a browser may take over its request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for a browser.
pub(super) struct Redirect {
    listener: TcpListener,
    uri: Url,
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Returned {
    pub(super) code: String,
    /// Who says that it issued the code.
    pub(super) issuer: Option<String>,
}

impl Redirect {
    /// At a fixed address, or at one with any free port.
    pub(super) async fn open(fixed: Option<&str>) -> Result<Self, String> {
        let fixed = fixed
            .map(|text| Url::parse(text).map_err(|error| format!("`redirect_uri`: {error}")))
            .transpose()?;
        let port = fixed.as_ref().and_then(Url::port_or_known_default);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0)))
            .await
            .map_err(|error| {
                format!("no port of this machine can be listened to for the browser: {error}")
            })?;
        let uri = match fixed {
            Some(uri) => uri,
            None => {
                let port = listener.local_addr().map_err(|error| error.to_string())?;
                let text = format!("http://{port}{PATH}");
                Url::parse(&text).map_err(|error| error.to_string())?
            }
        };
        Ok(Self { listener, uri })
    }

    /// The address to come back to.
    pub(super) fn uri(&self) -> &str {
        self.uri.as_str()
    }

    /// Waits for the answer to the request with this state. Whatever else comes is turned away.
    pub(super) async fn returned(&self, state: &str) -> Result<Returned, String> {
        loop {
            let (mut stream, _) = self
                .listener
                .accept()
                .await
                .map_err(|error| format!("the browser cannot be listened to: {error}"))?;
            let target = tokio::time::timeout(PATIENCE, target(&mut stream)).await;
            let answer = target
                .ok()
                .flatten()
                .and_then(|target| read(&self.uri, &target, state));
            let (status, says) = match &answer {
                None => ("404 Not Found", "There is nothing here."),
                Some(Ok(_)) => ("200 OK", "Done. You can close this page."),
                Some(Err(_)) => ("200 OK", "That did not work. You can close this page."),
            };
            let page = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: \
                 {}\r\nConnection: close\r\n\r\n{says}",
                says.len()
            );
            // A browser that is gone needs no page.
            let _ = stream.write_all(page.as_bytes()).await;
            let _ = stream.shutdown().await;
            if let Some(answer) = answer {
                return answer;
            }
        }
    }
}

/// What a request asks for: the second word of its first line.
async fn target(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 2048];
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut chunk).await.ok()?;
        if read == 0 || bytes.len() > MOST_BYTES {
            return None;
        }
        bytes.extend_from_slice(chunk.get(..read)?);
    }
    let text = String::from_utf8(bytes).ok()?;
    let mut words = text.lines().next()?.split(' ');
    (words.next() == Some("GET")).then_some(())?;
    words.next().map(str::to_owned)
}

/// The answer in a request's target; `None` if it is none to this state.
fn read(uri: &Url, target: &str, state: &str) -> Option<Result<Returned, String>> {
    let came = uri.join(target).ok()?;
    if came.path() != uri.path() || came.origin() != uri.origin() {
        return None;
    }
    let value = |name: &str| {
        came.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    if value("state").as_deref() != Some(state) {
        return None;
    }
    if let Some(error) = value("error") {
        let details = value("error_description").unwrap_or_default();
        let why = format!("the authorization server refused: {error} {details}");
        return Some(Err(why.trim_end().to_owned()));
    }
    let code = value("code")?;
    Some(Ok(Returned {
        code,
        issuer: value("iss"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(uri: &str) -> String {
        let url = Url::parse(uri).unwrap();
        let address = format!("127.0.0.1:{}", url.port().unwrap());
        let mut stream = TcpStream::connect(address).await.unwrap();
        let target = &uri[url.origin().ascii_serialization().len()..];
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_answer_to_the_right_state_is_taken_and_nothing_else() {
        let redirect = Redirect::open(None).await.unwrap();
        let uri = redirect.uri().to_owned();
        let browser = tokio::spawn(async move {
            assert!(get(&uri).await.starts_with("HTTP/1.1 404"));
            assert!(
                get(&format!("{uri}?code=c&state=other"))
                    .await
                    .starts_with("HTTP/1.1 404")
            );
            assert!(
                get(&uri.replace("callback", "favicon.ico"))
                    .await
                    .starts_with("HTTP/1.1 404")
            );
            get(&format!("{uri}?code=c&state=s&iss=https%3A%2F%2Fi")).await
        });
        let returned = redirect.returned("s").await.unwrap();
        assert_eq!(returned.code, "c");
        assert_eq!(returned.issuer.as_deref(), Some("https://i"));
        assert!(browser.await.unwrap().contains("close this page"));
    }

    #[tokio::test]
    async fn a_refusal_is_told() {
        let redirect = Redirect::open(None).await.unwrap();
        let uri = redirect.uri().to_owned();
        tokio::spawn(async move { get(&format!("{uri}?error=access_denied&state=s")).await });
        let error = redirect.returned("s").await.unwrap_err();
        assert!(error.contains("access_denied"), "{error}");
    }
}
