//! The integration tests: the real built program over real stdio and real HTTP, against its emulator or a faulty
//! upstream.
//!
//! `program` starts the program and speaks to it as a client does, `upstream` is a server that misbehaves on demand, and
//! every other file is one part of what users rely on.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail")]

mod app;
mod audit;
mod check;
mod commands;
mod confirmation;
mod confirmation_classic_sse;
mod confirmation_modern;
mod documents;
mod emulator;
mod emulator_links;
mod emulator_lookup;
mod failures;
mod generated;
mod http;
mod http_access;
mod http_callers;
mod http_classic_sse;
mod http_connections;
mod http_status;
mod http_stop;
mod install;
mod lookup;
mod messages;
mod modules;
mod oauth;
mod one_time_link;
mod pages;
mod program;
mod prompts;
mod qr;
mod resume_command;
mod resume_watch;
mod retries;
mod schema_words;
mod secrets;
mod settings;
mod stdio;
mod tls;
mod tokens;
mod tool;
mod trace_id;
mod upstream;
mod write_budget;
