//! Every story, by theme.

mod administration;
mod changes;
mod chats;
mod examples;
mod gateway;
mod groups;
mod invitations;
mod kinds;
mod local;
mod media;
mod messages;
mod newsletters;
mod operating;
mod pairing;
mod panel;
mod people;
mod safety;
mod scenarios;
mod sockets;
mod statuses;
mod takeover;
mod trouble;
mod webhooks;

use std::process::ExitCode;

use stories::Tale;

fn main() -> ExitCode {
    let mut themes: Vec<Vec<Tale>> = vec![
        pairing::stories(),
        people::stories(),
        messages::stories(),
        kinds::stories(),
        changes::stories(),
        chats::stories(),
        media::stories(),
        groups::stories(),
        invitations::stories(),
        statuses::stories(),
        newsletters::stories(),
        webhooks::stories(),
        gateway::stories(),
        operating::stories(),
        administration::stories(),
        panel::stories(),
        takeover::stories(),
        trouble::stories(),
        safety::stories(),
        scenarios::stories(),
        sockets::stories(),
        local::stories(),
    ];
    match stories::documents::folder() {
        Some(_) => themes.push(examples::stories()),
        None => harness::progress::say(
            "left out: the examples printed in the older APIs' documentations, which are not on this machine (ROOKERY_SEEDS names their folder)",
        ),
    }
    stories::runner::run(themes.concat())
}
