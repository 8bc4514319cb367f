//! Server-sent events from bytes that may be cut anywhere.

/// Longest event in bytes; a line without an end must not fill the memory.
const LONGEST_EVENT: usize = 8 * 1024 * 1024;

/// Collects the `data` of events. Other fields and comments are passed over. A line ends with a
/// line feed, a carriage return, or both.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: Option<String>,
    /// Whether the last byte was a carriage return: a line feed after it ends no line of its own.
    returned: bool,
    /// Whether a line has been read: the first may begin with a byte order mark.
    started: bool,
}

/// An event is longer than any that the protocol has use for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Events {
    /// Takes in more bytes and gives the events that are complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let (text, ending) = match piece {
                [text @ .., ending @ (b'\n' | b'\r')] => (text, Some(*ending)),
                text => (text, None),
            };
            let second = std::mem::take(&mut self.returned);
            if second && text.is_empty() && ending == Some(b'\n') {
                continue;
            }
            self.line.extend_from_slice(text);
            if self.line.len() + self.data.as_ref().map_or(0, String::len) > LONGEST_EVENT {
                return Err(TooLong);
            }
            if let Some(ending) = ending {
                self.returned = ending == b'\r';
                events.extend(self.end_line());
            }
        }
        Ok(events)
    }

    /// What the body's end completes: not every endpoint ends its last event with an empty line.
    pub(super) fn finish(mut self) -> Option<String> {
        let last = self.end_line();
        last.or(self.data)
    }

    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let mut line = line.as_ref();
        if !std::mem::replace(&mut self.started, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            return self.data.take();
        }
        if let Some(value) = line.strip_prefix("data:") {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STREAM: &str = ": hello\r\n\r\nevent: x\ndata: {\"é\":1}\r\n\r\ndata:two\ndata: lines\n\n\
                          data: [DONE]";

    fn read(chunks: &[&[u8]]) -> Vec<String> {
        let mut events = Events::default();
        let mut all: Vec<String> = chunks
            .iter()
            .flat_map(|chunk| events.feed(chunk).unwrap())
            .collect();
        all.extend(events.finish());
        all
    }

    #[test]
    fn a_stream_cut_at_any_byte_reads_the_same() {
        let bytes = STREAM.as_bytes();
        let whole = read(&[bytes]);
        assert_eq!(whole, ["{\"é\":1}", "two\nlines", "[DONE]"]);
        for at in 0..bytes.len() {
            let (head, tail) = bytes.split_at(at);
            assert_eq!(read(&[head, tail]), whole, "cut at byte {at}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let mut events = Events::default();
        let block = vec![b'x'; LONGEST_EVENT / 2 + 1];
        assert_eq!(events.feed(&block), Ok(Vec::new()));
        assert_eq!(events.feed(&block), Err(TooLong));
    }

    proptest! {
        #[test]
        fn any_cutting_reads_the_same(sizes in proptest::collection::vec(1_usize..7, 1..60)) {
            let mut rest = STREAM.as_bytes();
            let mut chunks = Vec::new();
            for size in sizes {
                let (head, tail) = rest.split_at(size.min(rest.len()));
                chunks.push(head);
                rest = tail;
            }
            chunks.push(rest);
            prop_assert_eq!(read(&chunks), read(&[STREAM.as_bytes()]));
        }
    }
}
