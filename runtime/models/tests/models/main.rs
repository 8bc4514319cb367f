//! Engines from outside: one program, so that it is linked once and what waits for an endpoint
//! waits beside all else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod endpoint;

mod extractive;
mod fallback;
mod hub;
mod llama_cpp_server;
mod local;
mod openai;
mod openai_faults;
mod openai_guards;
mod openai_requests;
mod openai_responses;
mod openai_streams;
mod routes;
