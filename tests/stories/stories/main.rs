//! Every story, by theme.

mod gateway;
mod local;
mod messages;
mod operating;
mod pairing;
mod safety;
mod takeover;
mod trouble;
mod webhooks;

use std::process::ExitCode;

use stories::Tale;

fn main() -> ExitCode {
    let themes: [Vec<Tale>; 9] = [
        pairing::stories(),
        messages::stories(),
        webhooks::stories(),
        gateway::stories(),
        operating::stories(),
        takeover::stories(),
        trouble::stories(),
        safety::stories(),
        local::stories(),
    ];
    stories::runner::run(themes.concat())
}
