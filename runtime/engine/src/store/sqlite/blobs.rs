//! Large values out of line: named by their content, compressed, and kept once.
//!
//! A value of more than [`INLINE`] bytes becomes a blob, and where it stood is a reference. This
//! goes from the inside out: what changes deep in a large object makes new only the parts it is
//! in. Long lists and texts are cut where their content says so, so that a change in the middle
//! of one leaves the other pieces the same.

use std::borrow::Cow;
use std::cell::RefCell;

use serde_json::{Map, Value};
use zstd::bulk::{Compressor, Decompressor};

/// Longest value that stays in line, in bytes of JSON.
pub(super) const INLINE: usize = 4 << 10;

/// About how long the pieces of a list or a text are, in bytes.
const PIECE: usize = 16 << 10;

/// How hard zstd tries.
const LEVEL: i32 = 3;

/// Largest blob that is unpacked, in bytes.
const MOST_UNPACKED: usize = 1 << 30;

const BLOB: &str = "$blob";
const PIECES: &str = "$pieces";
const QUOTED: &str = "$quoted";

pub(super) type Digest = [u8; 32];

/// A value out of line.
pub(super) struct Blob {
    pub(super) digest: Digest,
    pub(super) json: Vec<u8>,
}

/// Takes the large parts out of a value.
pub(super) fn shorten(value: Value, blobs: &mut Vec<Blob>) -> Value {
    shortened(value, blobs).0
}

/// The value with its large parts taken out, and about how long it is then.
fn shortened(value: Value, blobs: &mut Vec<Blob>) -> (Value, usize) {
    match value {
        Value::String(text) if text.len() > INLINE => {
            if text.len() <= 4 * PIECE {
                return outside(Value::String(text), blobs);
            }
            let pieces: Vec<Value> = cut_text(&text)
                .into_iter()
                .map(|piece| outside(Value::String(piece.to_owned()), blobs).0)
                .collect();
            let list = outside(Value::Array(pieces), blobs).0;
            wrapped(PIECES, list)
        }
        Value::Array(items) => {
            let mut length = 2;
            let items: Vec<(Value, usize)> = items
                .into_iter()
                .map(|item| {
                    let (item, long) = shortened(item, blobs);
                    length += long + 1;
                    (item, long)
                })
                .collect();
            if length <= INLINE {
                let items = items.into_iter().map(|(item, _)| item).collect();
                return (Value::Array(items), length);
            }
            if length <= 4 * PIECE {
                let items = items.into_iter().map(|(item, _)| item).collect();
                return outside(Value::Array(items), blobs);
            }
            let pieces = cut_list(items)
                .into_iter()
                .map(|piece| outside(Value::Array(piece), blobs).0)
                .collect();
            let list = outside(Value::Array(pieces), blobs).0;
            wrapped(PIECES, list)
        }
        Value::Object(fields) => {
            let mut length = 2;
            let quoted = fields.len() == 1
                && fields
                    .keys()
                    .all(|key| [BLOB, PIECES, QUOTED].contains(&key.as_str()));
            let fields: Map<String, Value> = fields
                .into_iter()
                .map(|(key, value)| {
                    let (value, long) = shortened(value, blobs);
                    length += key.len() + long + 4;
                    (key, value)
                })
                .collect();
            let fields = Value::Object(fields);
            let (fields, length) = if quoted {
                wrapped(QUOTED, fields)
            } else {
                (fields, length)
            };
            if length <= INLINE {
                (fields, length)
            } else {
                outside(fields, blobs)
            }
        }
        Value::String(text) => {
            let length = text.len() + 2;
            (Value::String(text), length)
        }
        other => (other, 8),
    }
}

fn wrapped(key: &str, value: Value) -> (Value, usize) {
    let mut reference = Map::new();
    reference.insert(key.to_owned(), value);
    (Value::Object(reference), 96)
}

fn outside(value: Value, blobs: &mut Vec<Blob>) -> (Value, usize) {
    let json = value.to_string().into_bytes();
    let digest = *blake3::hash(&json).as_bytes();
    blobs.push(Blob { digest, json });
    wrapped(BLOB, Value::String(hex(&digest)))
}

/// Where a list is cut depends on the items around the cut alone.
fn cut_list(items: Vec<(Value, usize)>) -> Vec<Vec<Value>> {
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    let mut length = 0;
    for (item, long) in items {
        let hash = blake3::hash(item.to_string().as_bytes());
        let number = hash.as_bytes().iter().take(4).fold(0_u32, |number, byte| {
            number.wrapping_shl(8) | u32::from(*byte)
        });
        // On average a piece is as long as wanted, whatever the items are like.
        let chance = (long.max(1) as u64 * u64::from(u32::MAX)) / PIECE as u64;
        piece.push(item);
        length += long;
        if u64::from(number) < chance || length > 4 * PIECE {
            pieces.push(std::mem::take(&mut piece));
            length = 0;
        }
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// Cuts a text where a rolling hash of its bytes says so, between characters.
fn cut_text(text: &str) -> Vec<&str> {
    let sizes = (PIECE / 4, PIECE, PIECE * 4);
    let chunker = fastcdc::v2020::FastCDC::new(text.as_bytes(), sizes.0, sizes.1, sizes.2);
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut taken = 0;
    for chunk in chunker {
        let mut end = chunk.offset + chunk.length - taken;
        while end < rest.len() && !rest.is_char_boundary(end) {
            end += 1;
        }
        let (piece, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        taken += piece.len();
        rest = after;
        if !piece.is_empty() {
            pieces.push(piece);
        }
    }
    pieces
}

/// Why a value cannot be put together again.
pub(super) type Missing = String;

/// Puts the large parts back. `load` gives the JSON of a blob.
pub(super) fn lengthen(
    value: Value,
    load: &mut dyn FnMut(&Digest) -> Result<Vec<u8>, Missing>,
) -> Result<Value, Missing> {
    match value {
        Value::Object(mut fields) => {
            if fields.len() == 1 {
                if let Some(Value::String(digest)) = fields.get(BLOB) {
                    let digest =
                        unhex(digest).ok_or_else(|| format!("`{digest}` names no value"))?;
                    let json = load(&digest)?;
                    let value = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
                    return lengthen(value, load);
                }
                if let Some(pieces) = fields.get_mut(PIECES) {
                    return joined(lengthen(pieces.take(), load)?);
                }
                if let Some(Value::Object(quoted)) = fields.get_mut(QUOTED) {
                    return fields_of(std::mem::take(quoted), load);
                }
            }
            fields_of(fields, load)
        }
        Value::Array(items) => {
            let items = items.into_iter().map(|item| lengthen(item, load));
            Ok(Value::Array(items.collect::<Result<_, _>>()?))
        }
        other => Ok(other),
    }
}

fn fields_of(
    fields: Map<String, Value>,
    load: &mut dyn FnMut(&Digest) -> Result<Vec<u8>, Missing>,
) -> Result<Value, Missing> {
    let fields = fields
        .into_iter()
        .map(|(key, value)| Ok((key, lengthen(value, load)?)));
    Ok(Value::Object(fields.collect::<Result<_, Missing>>()?))
}

fn joined(pieces: Value) -> Result<Value, Missing> {
    let Value::Array(pieces) = pieces else {
        return Err("the pieces of a value are no list".to_owned());
    };
    let mut pieces = pieces.into_iter();
    let Some(mut whole) = pieces.next() else {
        return Err("a value has no pieces".to_owned());
    };
    for piece in pieces {
        match (&mut whole, piece) {
            (Value::String(whole), Value::String(piece)) => whole.push_str(&piece),
            (Value::Array(whole), Value::Array(piece)) => whole.extend(piece),
            _ => return Err("the pieces of a value do not fit together".to_owned()),
        }
    }
    Ok(whole)
}

thread_local! {
    // What they work in is large; making it anew for each value would cost more than the work.
    static PACKER: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(LEVEL).ok());
    static UNPACKER: RefCell<Option<Decompressor<'static>>> =
        RefCell::new(Decompressor::new().ok());
}

/// Compressed, where that helps.
pub(super) fn packed(json: &[u8]) -> Cow<'_, [u8]> {
    if json.len() < 256 {
        return Cow::Borrowed(json);
    }
    let packed = PACKER.with_borrow_mut(|packer| packer.as_mut()?.compress(json).ok());
    match packed {
        Some(packed) if packed.len() < json.len() => Cow::Owned(packed),
        _ => Cow::Borrowed(json),
    }
}

/// What was packed. JSON never begins as a zstd frame does.
pub(super) fn unpacked(data: &[u8]) -> Result<Cow<'_, [u8]>, Missing> {
    if !data.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Ok(Cow::Borrowed(data));
    }
    let size = Decompressor::upper_bound(data).unwrap_or(MOST_UNPACKED);
    UNPACKER.with_borrow_mut(|unpacker| {
        let unpacker = unpacker.as_mut().ok_or("zstd cannot be set up")?;
        let unpacked = unpacker.decompress(data, size.min(MOST_UNPACKED));
        unpacked.map(Cow::Owned).map_err(|error| error.to_string())
    })
}

fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (index, place) in digest.iter_mut().enumerate() {
        *place = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn there_and_back(value: &Value) -> (Value, HashMap<Digest, Vec<u8>>) {
        let mut blobs = Vec::new();
        let short = shorten(value.clone(), &mut blobs);
        let kept: HashMap<Digest, Vec<u8>> = blobs
            .into_iter()
            .map(|blob| (blob.digest, blob.json))
            .collect();
        let mut load = |digest: &Digest| kept.get(digest).cloned().ok_or("gone".to_owned());
        assert_eq!(lengthen(short.clone(), &mut load).unwrap(), *value);
        (short, kept)
    }

    #[test]
    fn a_small_change_in_a_large_value_costs_little() {
        let text = |seed: usize| {
            let mut state = seed as u64 | 1;
            let words = (0..200).map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                format!("{state:x}")
            });
            words.collect::<Vec<_>>().join(" ")
        };
        let list: Vec<String> = (0..400).map(text).collect();
        let whole = json!({"list": list, "text": list.join("\n")});
        let mut changed = whole.clone();
        changed["list"][200] = json!("another");
        changed["text"] = json!(list.join("\n").replacen(&list[200], "another", 1));
        let size = |blobs: &HashMap<Digest, Vec<u8>>| blobs.values().map(Vec::len).sum::<usize>();
        let (short, before) = there_and_back(&whole);
        let (_, mut after) = there_and_back(&changed);
        assert!(short.to_string().len() < 300, "{short}");
        after.retain(|digest, _| !before.contains_key(digest));
        assert!(
            size(&after) * 8 < size(&before),
            "{} of {}",
            size(&after),
            size(&before)
        );
    }

    #[test]
    fn damage_is_an_error() {
        let gone = |_: &Digest| Err("gone".to_owned());
        let reference = json!({"$blob": "00".repeat(32)});
        assert!(lengthen(reference, &mut { gone }).is_err());
        assert!(lengthen(json!({"$blob": "xyz"}), &mut { gone }).is_err());
        assert!(lengthen(json!({"$pieces": [1, "a"]}), &mut { gone }).is_err());
        assert!(unpacked(&[0x28, 0xb5, 0x2f, 0xfd, 9, 9]).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
            (0_usize..90_000, "[a-zäö€]{1,9}")
                .prop_map(|(times, text)| json!(text.repeat(times / text.len()))),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let key = prop_oneof![
                Just("$blob".to_owned()),
                Just("$pieces".to_owned()),
                Just("$quoted".to_owned()),
                "[a-c]{1,2}"
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_value_comes_back(value in any_json()) {
            there_and_back(&value);
            let json = value.to_string().into_bytes();
            let data = packed(&json).into_owned();
            prop_assert_eq!(unpacked(&data).unwrap().into_owned(), json);
        }
    }
}
