//! The program: everything is in the library, which the tests and benchmarks use as well.

use std::process::ExitCode;

fn main() -> ExitCode {
    verifa_mcp::run()
}
