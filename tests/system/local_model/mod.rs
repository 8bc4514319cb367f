//! The local engine against llama.cpp, and against chance.
//!
//! `ROPEWALK_HEAVY=1` takes 20 prompts of 64 tokens, 10,000 calls and 3,000 statements instead of a few. llama.cpp
//! is the Python package `llama-cpp-python`, in the Python that `ROPEWALK_PEER_PYTHON` names or
//! `python3`; without it that part says so. Tools are those of `bfcl_tools` in the folder that
//! `ROPEWALK_DATA` names (or `../shared/data`), else a few of our own.

mod calls;
mod greedy;
mod hot;
mod statements;

/// Whether to take long over it.
fn heavy() -> bool {
    std::env::var_os("ROPEWALK_HEAVY").is_some()
}
