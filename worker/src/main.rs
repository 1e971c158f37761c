//! `rookery-worker`: holds connections to WhatsApp.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    worker::start::start(|_| {
        if cfg!(feature = "simulated") {
            return Err("this binary was built with the feature `simulated`, which switches certificate checks off: it must not be used".to_owned());
        }
        Ok(())
    })
}
