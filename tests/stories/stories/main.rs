//! Every story, by theme.

mod administration;
mod changes;
mod chats;
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
mod statuses;
mod takeover;
mod trouble;
mod webhooks;

use std::process::ExitCode;

use stories::Tale;

fn main() -> ExitCode {
    let themes: Vec<Vec<Tale>> = vec![
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
        local::stories(),
    ];
    stories::runner::run(themes.concat())
}
