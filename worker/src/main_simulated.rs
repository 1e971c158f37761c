//! `rookery-worker-simulated`: the worker for the simulated network, whose certificate WhatsApp has not signed. It refuses to go anywhere else.

use std::process::ExitCode;

use url::Host;
use worker::config::Options;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    worker::start::start(|options: &Options| {
        let url = &options.whatsapp.whatsapp_url;
        let loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(_)) | None => false,
        };
        if loopback && url.scheme() == "ws" {
            return Ok(());
        }
        Err("this binary checks no certificates: ROOKERY_WHATSAPP_URL must be ws:// to a loopback address".to_owned())
    })
}
