//! Values by what they hold.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The first half of a SHA-256 in hexadecimal, 32 characters. It does not depend on the order of
/// keys.
pub fn digest(value: &Value) -> String {
    let mut hasher = Sha256::new();
    feed(value, &mut hasher);
    let bytes = hasher.finalize();
    bytes
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn feed(value: &Value, hasher: &mut Sha256) {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            hasher.update(b"{");
            for key in keys {
                feed(&Value::String(key.clone()), hasher);
                if let Some(value) = fields.get(key) {
                    feed(value, hasher);
                }
            }
            hasher.update(b"}");
        }
        Value::Array(items) => {
            hasher.update(b"[");
            items.iter().for_each(|item| feed(item, hasher));
            hasher.update(b"]");
        }
        Value::String(text) => {
            hasher.update(b"\"");
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        other => {
            hasher.update(b"=");
            hasher.update(other.to_string().as_bytes());
            hasher.update(b";");
        }
    }
}
