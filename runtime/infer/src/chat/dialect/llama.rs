//! `{"name": ..., "parameters": {...}}` as the whole reply; several are parted by `; `.

use super::Dialect;
use super::grammar::{Calls, Offered, bare_objects};

pub(super) fn calls(_: &Dialect, tools: &[Offered]) -> Calls {
    Calls {
        after_open: "call (\"; \" call)*".to_owned(),
        rules: vec![bare_objects(tools, "parameters")],
    }
}
