//! The `orgate` binary.

fn main() -> std::process::ExitCode {
    orgate_sidecar::cli::run()
}
