//! The messages that a session still has to send, in the order in which they were accepted. No I/O.
//!
//! A message is *waiting*, then *written* to the socket, then *settled*: WhatsApp's server has taken or refused it, and that is stored. When the
//! connection is lost in between, or the message comes from an earlier holder, it is *doubtful*: perhaps WhatsApp has it. It is then sent once more under
//! the same id, which recipients show once, unless a sign of the first attempt arrives before.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use shared::command::SendMessage;
use shared::ids::CommandId;
use tokio::time::Instant;

/// Messages written and not yet settled, at most: what WhatsApp's server may have to take back into its queue.
pub const MAX_WRITTEN: usize = 32;
/// How long WhatsApp's server may take to answer before a message becomes doubtful.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);
/// Attempts to put one message on the wire before it has failed.
const MAX_ATTEMPTS: u32 = 5;
/// Numbers of settled commands that are remembered, so that a late reading of the database does not bring them back.
const REMEMBERED: usize = 4_096;

/// How far one message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Doubtful,
    Sending,
    Written { at: Instant },
}

/// A message that is not settled.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The command that asks for it.
    pub command: CommandId,
    /// The message.
    pub message: SendMessage,
    state: State,
    attempts: u32,
}

/// What became of an attempt to hand a command in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// It is the next one.
    Taken,
    /// It is known already, or settled.
    Known,
    /// Commands between it and the last known one are missing: they must be read from the database.
    Gap,
}

/// All unsettled messages of a session.
#[derive(Debug, Default)]
pub struct OutgoingMessages {
    unsettled: BTreeMap<i64, Outgoing>,
    by_wa_id: HashMap<String, i64>,
    settled: HashSet<i64>,
    settled_order: VecDeque<i64>,
    settled_messages: u64,
    highest: i64,
}

impl OutgoingMessages {
    /// Whether the command `sequence`, of whatever kind, comes next; notes that it has been seen.
    pub fn offer(&mut self, sequence: i64) -> Offer {
        if sequence <= self.highest {
            return Offer::Known;
        }
        if sequence > self.highest + 1 {
            return Offer::Gap;
        }
        self.highest = sequence;
        Offer::Taken
    }

    /// Notes that everything up to `sequence` has been read from the database.
    pub fn read_up_to(&mut self, sequence: i64) {
        self.highest = self.highest.max(sequence);
    }

    /// Takes a message in, unless it is known or settled. `doubtful`: an earlier holder may have sent it.
    pub fn add(&mut self, sequence: i64, command: CommandId, message: SendMessage, doubtful: bool) {
        if self.settled.contains(&sequence) || self.unsettled.contains_key(&sequence) {
            return;
        }
        self.by_wa_id.insert(message.wa_message_id.clone(), sequence);
        let state = if doubtful { State::Doubtful } else { State::Waiting };
        self.unsettled.insert(
            sequence,
            Outgoing {
                command,
                message,
                state,
                attempts: 0,
            },
        );
    }

    /// The next message to put on the wire; it counts as being sent from now on. Doubtful ones only if `certain`: nothing more will come that
    /// could settle them. They hold back those behind them, because the order is kept.
    pub fn next_to_send(&mut self, certain: bool) -> Option<(i64, SendMessage)> {
        let written = self
            .unsettled
            .values()
            .filter(|outgoing| matches!(outgoing.state, State::Written { .. }))
            .count();
        if written >= MAX_WRITTEN {
            return None;
        }
        for (sequence, outgoing) in &mut self.unsettled {
            match outgoing.state {
                State::Written { .. } => {}
                State::Sending => return None,
                State::Doubtful if !certain => return None,
                State::Waiting | State::Doubtful => {
                    outgoing.state = State::Sending;
                    outgoing.attempts += 1;
                    return Some((*sequence, outgoing.message.clone()));
                }
            }
        }
        None
    }

    /// The message is on the wire.
    pub fn written(&mut self, sequence: i64) {
        if let Some(outgoing) = self.unsettled.get_mut(&sequence)
            && outgoing.state == State::Sending
        {
            outgoing.state = State::Written { at: Instant::now() };
        }
    }

    /// The message did not get on the wire, as far as is known. `count`: the attempt counts, because something was wrong with more than the connection.
    pub fn not_written(&mut self, sequence: i64, count: bool) {
        let Some(outgoing) = self.unsettled.get_mut(&sequence) else {
            return;
        };
        if outgoing.state == State::Sending {
            outgoing.state = State::Doubtful;
        }
        if !count {
            outgoing.attempts = outgoing.attempts.saturating_sub(1);
        }
    }

    /// The connection is gone: whatever was written or was being sent is doubtful.
    pub fn connection_lost(&mut self) {
        for outgoing in self.unsettled.values_mut() {
            if outgoing.state != State::Waiting {
                outgoing.state = State::Doubtful;
            }
        }
    }

    /// Messages that WhatsApp's server has not answered in time become doubtful. Answers how many.
    pub fn expire(&mut self, now: Instant) -> usize {
        let mut expired = 0;
        for outgoing in self.unsettled.values_mut() {
            if let State::Written { at } = outgoing.state
                && now.duration_since(at) > ANSWER_PATIENCE
            {
                outgoing.state = State::Doubtful;
                expired += 1;
            }
        }
        expired
    }

    /// Doubtful messages that have had all their attempts: they have failed, as far as can be known.
    #[must_use]
    pub fn exhausted(&self) -> Vec<(i64, Outgoing)> {
        self.unsettled
            .iter()
            .filter(|(_, outgoing)| outgoing.state == State::Doubtful && outgoing.attempts >= MAX_ATTEMPTS)
            .map(|(sequence, outgoing)| (*sequence, outgoing.clone()))
            .collect()
    }

    /// The unsettled message with WhatsApp's id.
    #[must_use]
    pub fn by_wa_id(&self, wa_message_id: &str) -> Option<(i64, &Outgoing)> {
        let sequence = *self.by_wa_id.get(wa_message_id)?;
        Some((sequence, self.unsettled.get(&sequence)?))
    }

    /// The message's end is stored.
    pub fn settle(&mut self, sequence: i64) {
        if let Some(outgoing) = self.unsettled.remove(&sequence) {
            self.by_wa_id.remove(&outgoing.message.wa_message_id);
            self.settled_messages += 1;
        }
        self.remember(sequence);
    }

    /// The command, of whatever kind, has ended.
    pub fn remember(&mut self, sequence: i64) {
        if self.settled.insert(sequence) {
            self.settled_order.push_back(sequence);
        }
        while self.settled_order.len() > REMEMBERED {
            if let Some(oldest) = self.settled_order.pop_front() {
                self.settled.remove(&oldest);
            }
        }
    }

    /// Whether the command has ended under this claim.
    #[must_use]
    pub fn is_settled(&self, sequence: i64) -> bool {
        self.settled.contains(&sequence)
    }

    /// How many messages were settled under this claim.
    #[must_use]
    pub fn settled_messages(&self) -> u64 {
        self.settled_messages
    }

    /// Every unsettled message, in order.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Outgoing)> {
        self.unsettled.iter().map(|(sequence, outgoing)| (*sequence, outgoing))
    }

    /// Whether WhatsApp owes us an answer.
    #[must_use]
    pub fn awaits_answers(&self) -> bool {
        self.unsettled
            .values()
            .any(|outgoing| matches!(outgoing.state, State::Written { .. } | State::Sending))
    }

    /// Whether any message may have been sent already.
    #[must_use]
    pub fn has_doubtful(&self) -> bool {
        self.unsettled
            .values()
            .any(|outgoing| outgoing.state == State::Doubtful)
    }

    /// How many messages are not settled.
    #[must_use]
    pub fn len(&self) -> usize {
        self.unsettled.len()
    }

    /// Whether every message is settled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unsettled.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::content::Content;
    use shared::ids::MessageId;

    fn message(wa_id: &str) -> SendMessage {
        SendMessage::new(
            MessageId::generate(),
            wa_id.to_owned(),
            "15550001001".parse().unwrap(),
            Content::text("Hello"),
        )
    }

    fn with(waiting: &[i64]) -> OutgoingMessages {
        let mut outgoing = OutgoingMessages::default();
        for sequence in waiting {
            outgoing.add(
                *sequence,
                CommandId::generate(),
                message(&format!("id{sequence}")),
                false,
            );
            outgoing.read_up_to(*sequence);
        }
        outgoing
    }

    #[test]
    fn messages_go_out_in_the_order_of_their_numbers_whatever_order_they_came_in() {
        let mut outgoing = with(&[3, 1, 2]);
        for expected in [1, 2, 3] {
            let (sequence, _) = outgoing.next_to_send(true).unwrap();
            assert_eq!(sequence, expected);
            assert_eq!(outgoing.next_to_send(true), None, "one at a time");
            outgoing.written(sequence);
        }
    }

    #[test]
    fn a_gap_and_a_repeat_are_recognised() {
        let mut outgoing = with(&[1, 2]);
        assert_eq!(outgoing.offer(2), Offer::Known);
        assert_eq!(outgoing.offer(4), Offer::Gap);
        assert_eq!(outgoing.offer(3), Offer::Taken);
        assert_eq!(outgoing.offer(4), Offer::Taken);
    }

    #[test]
    fn a_settled_message_never_comes_back() {
        let mut outgoing = with(&[1]);
        let (sequence, sent) = outgoing.next_to_send(true).unwrap();
        outgoing.written(sequence);
        outgoing.settle(sequence);
        outgoing.add(sequence, CommandId::generate(), sent, false);
        assert_eq!(outgoing.next_to_send(true), None);
        assert!(outgoing.is_settled(1));
    }

    #[test]
    fn a_doubtful_message_waits_for_certainty_and_holds_back_those_behind_it() {
        let mut outgoing = with(&[1, 2]);
        let (first, _) = outgoing.next_to_send(true).unwrap();
        outgoing.written(first);
        outgoing.connection_lost();
        assert_eq!(outgoing.next_to_send(false), None);
        assert!(outgoing.has_doubtful());
        let (again, repeated) = outgoing.next_to_send(true).unwrap();
        assert_eq!(
            (again, repeated.wa_message_id.as_str()),
            (1, "id1"),
            "under the same id"
        );
    }

    #[test]
    fn a_sign_of_the_first_attempt_settles_it_without_a_second_one() {
        let mut outgoing = with(&[]);
        outgoing.add(1, CommandId::generate(), message("id1"), true);
        let (sequence, _) = outgoing.by_wa_id("id1").unwrap();
        outgoing.settle(sequence);
        assert_eq!(outgoing.next_to_send(true), None);
        assert!(outgoing.by_wa_id("id1").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_makes_a_message_doubtful_and_too_many_attempts_end_it() {
        let mut outgoing = with(&[1]);
        for attempt in 1..=MAX_ATTEMPTS {
            assert!(outgoing.exhausted().is_empty(), "after {} attempts", attempt - 1);
            let (sequence, _) = outgoing.next_to_send(true).unwrap();
            outgoing.written(sequence);
            tokio::time::advance(ANSWER_PATIENCE + Duration::from_secs(1)).await;
            assert_eq!(outgoing.expire(Instant::now()), 1);
        }
        assert_eq!(outgoing.exhausted().len(), 1);
    }

    #[test]
    fn being_offline_does_not_use_up_attempts() {
        let mut outgoing = with(&[1]);
        for _ in 0..20 {
            let (sequence, _) = outgoing.next_to_send(true).unwrap();
            outgoing.not_written(sequence, false);
        }
        assert!(outgoing.exhausted().is_empty());
    }

    #[test]
    fn only_so_many_messages_await_their_answer_at_once() {
        let numbers: Vec<i64> = (1..=100).collect();
        let mut outgoing = with(&numbers);
        let mut written = 0;
        while let Some((sequence, _)) = outgoing.next_to_send(true) {
            outgoing.written(sequence);
            written += 1;
        }
        assert_eq!(written, MAX_WRITTEN);
        outgoing.settle(1);
        assert!(outgoing.next_to_send(true).is_some());
    }
}
