//! Every story, by theme.

mod gateway;
mod groups;
mod local;
mod messages;
mod operating;
mod pairing;
mod safety;
mod statuses;
mod takeover;
mod trouble;
mod webhooks;

use std::process::ExitCode;

use stories::Tale;

fn main() -> ExitCode {
    let themes: [Vec<Tale>; 11] = [
        pairing::stories(),
        messages::stories(),
        groups::stories(),
        statuses::stories(),
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
