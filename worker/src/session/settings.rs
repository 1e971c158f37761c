//! Settings that are changed while the session is held: they count from then on, as far as that needs no new connection.

use shared::ids::CommandId;
use shared::store::records::CommandOutcome;

use super::Session;
use super::recorder::Decision;

impl Session {
    /// Takes in that the settings have changed.
    pub(super) fn note_changed_settings(&mut self, sequence: i64, command: CommandId) {
        if !self.changed_settings.iter().any(|(known, _)| *known == sequence) {
            self.changed_settings.push((sequence, command));
        }
    }

    /// Reads the settings again if they have changed. A proxy, the presence and the history count from the next connection on.
    pub(super) async fn apply_changed_settings(&mut self) {
        if self.changed_settings.is_empty() {
            return;
        }
        let commands = std::mem::take(&mut self.changed_settings);
        let read = match self.context.store.held_session(self.id()).await {
            Ok(Some(read)) => read,
            Ok(None) => return,
            Err(error) => {
                // The commands are not ended: the sweep brings them again.
                tracing::debug!(session = %self.id(), %error, "changed settings are read later");
                return;
            }
        };
        self.recorder
            .decide(Decision::Settings(Box::new(read.settings.clone())));
        if let Some(open) = &self.engine {
            open.engine.apply(&read.settings);
        }
        self.held.settings = read.settings;
        self.held.proxy_sealed = read.proxy_sealed;
        for (sequence, command) in commands {
            self.end_command(sequence, CommandOutcome::done(command, None));
        }
    }
}
