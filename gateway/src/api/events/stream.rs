//! Events followed live (server-sent events, WHATWG HTML §9.2).
//!
//! The rows are the truth: the broker only says when to look, and without it the stream looks every second. A client that reads slowly costs one
//! page of memory, one whose key is revoked is cut off within seconds, and a gateway that stops ends its streams; clients go on elsewhere with
//! `Last-Event-ID`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::Stream;
use shared::problem::Code;
use shared::store::events::{EventFilter, EventPosition, StoredEvent};
use shared::subject;
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::auth::TenantCall;
use crate::auth::permission::ReadMessages;
use crate::bell::Bell;
use crate::database::promptly;
use crate::http::page::Cursor;
use crate::metrics::EventStreamGuard;
use crate::problem::Problem;

/// Events that are read at once.
const BATCH: i64 = 100;
/// How often the rows are looked at without a wake-up.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often a silent stream shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often a silent bell is hung again, in looks: the broker may have come back.
const LOOKS_PER_BELL: u32 = 5;

/// One client that follows events.
pub(crate) struct Follower {
    app: App,
    call: TenantCall<ReadMessages>,
    filter: EventFilter,
    after: EventPosition,
    unread: VecDeque<StoredEvent>,
    bell: Bell,
    silent_looks: u32,
    /// The last look found a whole batch, so there may be more.
    more: bool,
    _permit: OwnedSemaphorePermit,
    _guard: EventStreamGuard,
}

/// Begins a stream after `after`, or now.
pub(super) async fn follow(
    app: App,
    call: TenantCall<ReadMessages>,
    filter: EventFilter,
    after: Option<EventPosition>,
) -> Result<Response, Problem> {
    let follower = Follower::begin(app, call, filter, after).await?;
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(follower.into_stream()).keep_alive(keep_alive).into_response())
}

impl Follower {
    /// Begins to follow after `after`, or now.
    pub(crate) async fn begin(
        app: App,
        call: TenantCall<ReadMessages>,
        filter: EventFilter,
        after: Option<EventPosition>,
    ) -> Result<Self, Problem> {
        let permit = app
            .event_stream_permits()
            .try_acquire_owned()
            .map_err(|_| Problem::new(Code::Overloaded, "Too many clients follow events on this gateway."))?;
        let bell = Bell::hang(app.broker(), subject::events_of(app.region(), call.tenant)).await;
        let after = match after {
            Some(after) => after,
            None => {
                promptly(async {
                    let mut transaction = app.store().tenant(call.tenant).await?;
                    Ok(transaction.end_of_events().await?)
                })
                .await?
            }
        };
        Ok(Self {
            app,
            call,
            filter,
            after,
            unread: VecDeque::new(),
            bell,
            silent_looks: 0,
            more: true,
            _permit: permit,
            _guard: EventStreamGuard::enter(),
        })
    }

    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        futures::stream::unfold(self, async |mut follower| {
            let event = follower.next().await?;
            Some((Ok(sent(event)), follower))
        })
    }

    /// The next event; `None` ends the stream.
    pub(crate) async fn next(&mut self) -> Option<StoredEvent> {
        loop {
            if let Some(event) = self.unread.pop_front() {
                return Some(event);
            }
            if !self.more && !self.wake().await {
                return None;
            }
            self.look().await?;
        }
    }

    /// Waits until it is time to look again. Answers whether the stream goes on.
    async fn wake(&mut self) -> bool {
        if !self.bell.is_connected() && self.silent_looks.is_multiple_of(LOOKS_PER_BELL) {
            let subject = subject::events_of(self.app.region(), self.call.tenant);
            self.bell = Bell::hang(self.app.broker(), subject).await;
        }
        tokio::select! {
            () = self.app.shutdown().soft().cancelled() => false,
            () = self.bell.rung() => true,
            () = tokio::time::sleep(LOOK_INTERVAL) => {
                self.silent_looks = self.silent_looks.wrapping_add(1);
                true
            }
        }
    }

    /// Reads the next batch. A database that is away makes the stream wait, not end; a key that stopped working ends it.
    async fn look(&mut self) -> Option<()> {
        self.more = false;
        if self.app.shutdown().is_stopping() {
            return None;
        }
        match self.call.still_works(&self.app).await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(_) => return Some(()),
        }
        let read = promptly(async {
            let mut transaction = self.app.store().tenant(self.call.tenant).await?;
            Ok(transaction.events(&self.filter, Some(self.after), BATCH).await?)
        })
        .await;
        let Ok(events) = read else { return Some(()) };
        if let Some(last) = events.last() {
            self.after = last.position;
        }
        self.more = i64::try_from(events.len()).unwrap_or(BATCH) == BATCH;
        self.unread = events.into();
        Some(())
    }
}

fn sent(event: StoredEvent) -> Event {
    Event::default()
        .id(Cursor(event.position).encode())
        .event(event.event_type)
        .data(event.body)
}
