//! Requests of bounded length on a byte stream, one per line, as stdio has them.
//!
//! A line over the limit is dropped while it comes in, so that it never fills the memory. Its
//! request must still be answered, or the caller would wait for ever: the reader looks for the
//! request's id as the bytes pass, wherever in the object it stands, and puts a short request of
//! the same id and the method [`TOO_LONG`] in its place, which the server refuses with the reason.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use serde_json::{Value, json};
use tokio::io::{AsyncRead, ReadBuf};

/// Method of the request that stands in for one that was too long.
pub(crate) const TOO_LONG: &str = "ropewalk/request_too_long";

/// Bytes read at a time.
const CHUNK: usize = 16 << 10;

/// Longest request id that is found again, in bytes.
const MAX_ID: usize = 256;

/// Passes lines of up to `limit` bytes on as they are.
pub(crate) struct LimitedLines<R> {
    inner: R,
    limit: usize,
    chunk: Box<[u8]>,
    /// Bytes of the current line so far.
    length: usize,
    id: IdScan,
    /// What may be read out, and how much of it was.
    out: Vec<u8>,
    taken: usize,
}

impl<R> LimitedLines<R> {
    pub(crate) fn new(inner: R, limit: usize) -> Self {
        let chunk = vec![0; CHUNK].into_boxed_slice();
        Self {
            inner,
            limit,
            chunk,
            length: 0,
            id: IdScan::default(),
            out: Vec::new(),
            taken: 0,
        }
    }

    fn accept(&mut self, bytes: usize) {
        let Self {
            chunk,
            out,
            id,
            length,
            limit,
            ..
        } = self;
        for part in chunk
            .get(..bytes)
            .unwrap_or_default()
            .split_inclusive(|byte| *byte == b'\n')
        {
            let (line, ends) = match part.split_last() {
                Some((b'\n', line)) => (line, true),
                _ => (part, false),
            };
            let room = limit.saturating_sub(*length);
            out.extend(line.iter().take(room));
            *length = length.saturating_add(line.len());
            line.iter().for_each(|byte| id.push(*byte));
            if !ends {
                continue;
            }
            out.push(b'\n');
            let id = std::mem::take(id).finish();
            if std::mem::take(length) > *limit {
                tracing::warn!(limit, ?id, "a request was too long and was dropped");
                if let Some(id) = id {
                    let stand_in = json!({"jsonrpc": "2.0", "id": id, "method": TOO_LONG});
                    out.extend(stand_in.to_string().into_bytes());
                    out.push(b'\n');
                }
            }
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for LimitedLines<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        loop {
            let ready = this.out.get(this.taken..).unwrap_or_default();
            if !ready.is_empty() {
                let some = ready.get(..buffer.remaining()).unwrap_or(ready);
                buffer.put_slice(some);
                this.taken += some.len();
                return Poll::Ready(Ok(()));
            }
            this.out.clear();
            this.taken = 0;
            let mut chunk = ReadBuf::new(&mut this.chunk);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut chunk))?;
            let bytes = chunk.filled().len();
            if bytes == 0 {
                return Poll::Ready(Ok(()));
            }
            this.accept(bytes);
        }
    }
}

/// Finds the `id` of a JSON object byte by byte, in constant memory.
#[derive(Default)]
struct IdScan {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The last string at the top level, as far as it matters.
    key: Vec<u8>,
    capturing: bool,
    id: Vec<u8>,
}

impl IdScan {
    fn push(&mut self, byte: u8) {
        if self.capturing {
            if !self.in_string && self.depth == 1 && matches!(byte, b',' | b'}') {
                self.capturing = false;
            } else if self.id.len() < MAX_ID {
                self.id.push(byte);
            }
        }
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                // One more than "id" has tells them apart.
                _ if self.depth == 1 && self.key.len() < 3 => self.key.push(byte),
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                self.key.clear();
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b':' if self.depth == 1 && self.key == b"id" => {
                self.capturing = true;
                self.id.clear();
            }
            _ => {}
        }
    }

    fn finish(self) -> Option<Value> {
        let id = serde_json::from_slice::<Value>(&self.id).ok()?;
        (id.is_number() || id.is_string()).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt;

    use super::*;

    fn through(input: &[u8], limit: usize) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut out = Vec::new();
        runtime
            .block_on(LimitedLines::new(input, limit).read_to_end(&mut out))
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    fn id_of(text: &str) -> Option<Value> {
        let mut scan = IdScan::default();
        text.bytes().for_each(|byte| scan.push(byte));
        scan.finish()
    }

    #[test]
    fn a_line_that_is_too_long_is_replaced_by_a_request_of_the_same_id() {
        let long = json!({"method": "m", "params": {"id": 1, "x": "y".repeat(100)}, "id": "a\"b"});
        let input = format!("{{\"id\":1}}\n{long}\n{{\"id\":2}}\n");
        let output = through(input.as_bytes(), 50);
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(lines[0], "{\"id\":1}");
        assert_eq!(lines[1].len(), 50);
        let stand_in: Value = serde_json::from_str(lines[2]).unwrap();
        assert_eq!(
            stand_in,
            json!({"jsonrpc": "2.0", "id": "a\"b", "method": TOO_LONG})
        );
        assert_eq!(lines[3..], ["{\"id\":2}"]);
    }

    #[test]
    fn a_line_that_never_ends_is_not_kept() {
        let endless = tokio::io::repeat(b'x').take(1 << 22);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut lines = LimitedLines::new(endless, 1000);
        let mut out = Vec::new();
        runtime.block_on(lines.read_to_end(&mut out)).unwrap();
        assert_eq!(out.len(), 1000);
        assert!(
            lines.out.capacity() <= 2 * CHUNK,
            "{}",
            lines.out.capacity()
        );
    }

    #[test]
    fn only_the_id_of_the_request_itself_counts() {
        assert_eq!(id_of(r#"{"params":{"id":5},"id": 7 }"#), Some(json!(7)));
        assert_eq!(id_of(r#"{"method":"id","params":["id",{"id":1}]}"#), None);
        assert_eq!(id_of(r#"{"idx":1,"text":"\"id\":3"}"#), None);
        assert_eq!(id_of(r#"{"id":null}"#), None);
        assert_eq!(id_of(r#"{"id":{"a":1}}"#), None);
    }

    proptest! {
        #[test]
        fn short_lines_pass_as_they_are(lines in prop::collection::vec("[^\\n]{0,30}", 0..20)) {
            let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
            prop_assert_eq!(through(input.as_bytes(), 200), input);
        }

        #[test]
        fn the_id_is_found_wherever_it_stands(
            before in prop::collection::btree_map("[a-h]{1,3}", "\\PC{0,12}", 0..4),
            id in any::<i64>(),
            after in prop::collection::btree_map("[j-z]{1,3}", "\\PC{0,12}", 0..4),
        ) {
            let mut text = String::from("{");
            for (key, value) in &before {
                text += &format!("{}:{},", json!(key), json!({"id": 0, "v": value}));
            }
            text += &format!("\"id\":{id}");
            for (key, value) in &after {
                text += &format!(",{}:{}", json!(key), json!(value));
            }
            text.push('}');
            prop_assert_eq!(id_of(&text), Some(json!(id)));
        }
    }
}
