//! The integration tests: the real built program over real stdio and real HTTP, against its emulator or a faulty
//! upstream.
//!
//! `program` starts the program and speaks to it as a client does, `upstream` is a server that misbehaves on demand, and
//! every other file is one part of what users rely on.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail")]
#![cfg_attr(not(unix), allow(unused, reason = "what serves the tests of Unix alone"))]

mod app;
mod audit;
mod check;
#[cfg(unix)]
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
mod home;
mod http;
mod http_access;
mod http_callers;
mod http_classic_sse;
mod http_connections;
mod http_status;
#[cfg(unix)]
mod http_stop;
#[cfg(unix)]
mod install;
mod install_formats;
mod lookup;
mod messages;
#[cfg(unix)]
mod modules;
mod oauth;
mod one_time_link;
#[cfg(unix)]
mod pages;
mod program;
mod prompts;
mod qr;
mod resume_command;
mod resume_watch;
mod retries;
mod schema_text;
mod secrets;
mod settings;
mod stdio;
#[cfg(unix)]
mod tls;
mod tokens;
mod tool;
mod trace_id;
mod upstream;
mod write_budget;
