//! The broker: connecting to NATS, and the streams and consumers that Rookery needs there.
//!
//! Nothing here is the only copy of anything: commands and events are rows of Postgres, and the broker carries them. Everything is created
//! idempotently at start, by whichever binary comes first, with the settings measured for our load. There is one command consumer per worker
//! and one event consumer for all dispatchers; never one per session. Tenants who
//! read events themselves have a few consumers of their own.

use std::time::Duration;

use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use async_nats::jetstream::{self, consumer, stream};
use bytes::Bytes;

use crate::config::NatsOptions;
use crate::ids::{Region, TenantId, WorkerId};
use crate::subject;

/// How long the broker may take to store and acknowledge one message before the publish counts as failed.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);
/// A command older than this is no longer carried: its row is executed by the holder's sweep or at the next claim.
const COMMAND_AGE: Duration = Duration::from_secs(3600);
/// How far back tenants can replay events from the stream.
const EVENT_AGE: Duration = Duration::from_secs(72 * 3600);
/// How long dead letters wait for a person.
const DEAD_LETTER_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a delivered message may stay unacknowledged before it is delivered again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// A worker's consumer vanishes when nobody has read from it for so long.
const COMMAND_CONSUMER_IDLE: Duration = Duration::from_secs(300);

/// Requests for messages that wait at a tenant's consumer at once.
const TENANT_REQUESTS: i64 = 32;

/// The broker could not do what was asked. Always worth a retry: what was to be carried is still a row.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// No connection.
    #[error("cannot connect to NATS")]
    Connect(#[source] async_nats::ConnectError),
    /// A configured secret cannot be read.
    #[error("cannot read the NATS credentials")]
    Credentials(#[source] std::io::Error),
    /// A stream or consumer could not be created or read.
    #[error("cannot prepare {what}")]
    Prepare {
        /// What could not be prepared.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A message was not stored.
    #[error("cannot publish")]
    Publish(#[source] jetstream::context::PublishError),
}

impl BrokerError {
    fn prepare(what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Prepare {
            what: what.into(),
            source: source.into(),
        }
    }
}

/// A connection to one region's broker. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Broker {
    client: async_nats::Client,
    jetstream: jetstream::Context,
    region: Region,
    replicas: usize,
}

impl Broker {
    /// Asks whoever listens to `subject`; `None` when there is no answer within `deadline`, or nobody listens.
    pub async fn request(&self, subject: String, question: Bytes, deadline: Duration) -> Option<Bytes> {
        // The client's own limit would be shorter than some answers take.
        let request = async_nats::Request::new().payload(question).timeout(Some(deadline));
        let reply = self.client.send_request(subject, request).await;
        reply.ok().map(|reply| reply.payload)
    }

    /// Connects, and goes on connecting in the background for ever: a broker that is away at start or later delays, it does not fail.
    ///
    /// # Errors
    /// [`BrokerError`] when the address or the credentials are unusable.
    pub async fn connect(options: &NatsOptions, region: Region, name: &str) -> Result<Self, BrokerError> {
        let mut connect = async_nats::ConnectOptions::new();
        if let Some(credentials) = &options.nats_credentials_file {
            let text = tokio::fs::read_to_string(credentials)
                .await
                .map_err(BrokerError::Credentials)?;
            connect = connect.credentials(&text).map_err(BrokerError::Credentials)?;
        }
        let client = connect
            .name(name)
            .retry_on_initial_connect()
            .max_reconnects(None)
            .reconnect_delay_callback(|attempts| {
                let exponent = u32::try_from(attempts.min(6)).unwrap_or(6);
                Duration::from_millis(50 * 2_u64.pow(exponent)).min(Duration::from_secs(2))
            })
            .request_timeout(Some(PUBLISH_TIMEOUT))
            .connect(options.nats_url.as_str())
            .await
            .map_err(BrokerError::Connect)?;
        let jetstream = jetstream::ContextBuilder::new()
            .timeout(PUBLISH_TIMEOUT)
            .ack_timeout(PUBLISH_TIMEOUT)
            .build(client.clone());
        Ok(Self {
            client,
            jetstream,
            region,
            replicas: options.nats_replicas,
        })
    }

    /// The plain connection, for hints and for questions to holders.
    #[must_use]
    pub fn client(&self) -> &async_nats::Client {
        &self.client
    }

    /// The region whose subjects this connection speaks.
    #[must_use]
    pub fn region(&self) -> Region {
        self.region
    }

    /// Whether the connection is up right now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Creates the region's streams, or brings existing ones to today's settings.
    ///
    /// # Errors
    /// [`BrokerError::Prepare`] when the broker is away or refuses.
    pub async fn ensure_streams(&self) -> Result<(), BrokerError> {
        for config in self.streams() {
            let name = config.name.clone();
            self.jetstream
                .create_or_update_stream(config)
                .await
                .map_err(|error| BrokerError::prepare(format!("the stream {name}"), error))?;
        }
        Ok(())
    }

    fn streams(&self) -> [stream::Config; 3] {
        let region = self.region;
        let common = stream::Config {
            storage: stream::StorageType::File,
            num_replicas: self.replicas,
            ..stream::Config::default()
        };
        [
            stream::Config {
                name: subject::command_stream(region),
                description: Some("commands on their way to the workers that hold the sessions".to_owned()),
                subjects: vec![subject::all_commands(region)],
                retention: stream::RetentionPolicy::WorkQueue,
                discard: stream::DiscardPolicy::New,
                max_age: COMMAND_AGE,
                duplicate_window: Duration::from_secs(120),
                ..common.clone()
            },
            stream::Config {
                name: subject::event_stream(region),
                description: Some("events of all sessions, for dispatchers, gateways and tenants".to_owned()),
                subjects: vec![subject::all_events(region)],
                retention: stream::RetentionPolicy::Limits,
                discard: stream::DiscardPolicy::Old,
                max_age: EVENT_AGE,
                duplicate_window: Duration::from_secs(600),
                deny_delete: true,
                deny_purge: true,
                allow_direct: true,
                ..common.clone()
            },
            stream::Config {
                name: subject::dead_letter_stream(region),
                description: Some("what could not be decoded, for a person to look at".to_owned()),
                subjects: vec![subject::all_dead_letters(region)],
                retention: stream::RetentionPolicy::Limits,
                discard: stream::DiscardPolicy::Old,
                max_age: DEAD_LETTER_AGE,
                ..common
            },
        ]
    }

    /// The consumer of one worker's commands.
    ///
    /// # Errors
    /// [`BrokerError::Prepare`] when the broker is away or refuses.
    pub async fn command_consumer(&self, worker: WorkerId) -> Result<consumer::PullConsumer, BrokerError> {
        let name = subject::command_consumer(worker);
        let config = consumer::pull::Config {
            durable_name: Some(name.clone()),
            filter_subject: subject::commands_of(self.region, worker),
            ack_policy: consumer::AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: 1_000,
            inactive_threshold: COMMAND_CONSUMER_IDLE,
            ..consumer::pull::Config::default()
        };
        self.jetstream
            .create_consumer_on_stream(config, subject::command_stream(self.region))
            .await
            .map_err(|error| BrokerError::prepare(format!("the command consumer {name}"), error))
    }

    /// The consumer that all dispatchers of the region share.
    ///
    /// # Errors
    /// [`BrokerError::Prepare`] when the broker is away or refuses.
    pub async fn event_consumer(&self) -> Result<consumer::PullConsumer, BrokerError> {
        let config = consumer::pull::Config {
            durable_name: Some(subject::DISPATCHER_CONSUMER.to_owned()),
            ack_policy: consumer::AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: 4_096,
            ..consumer::pull::Config::default()
        };
        self.jetstream
            .create_consumer_on_stream(config, subject::event_stream(self.region))
            .await
            .map_err(|error| BrokerError::prepare("the dispatchers' consumer", error))
    }

    /// Makes one of a tenant's own consumers ready, through which it reads its events and no others, from the oldest one on. Answers its name.
    ///
    /// # Errors
    /// [`BrokerError::Prepare`] when the broker is away or refuses.
    pub async fn tenant_consumer(&self, tenant: TenantId, number: u8) -> Result<String, BrokerError> {
        let name = subject::tenant_consumer(tenant, number);
        let config = consumer::pull::Config {
            durable_name: Some(name.clone()),
            filter_subject: subject::events_of(self.region, tenant),
            ack_policy: consumer::AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: 1_000,
            max_waiting: TENANT_REQUESTS,
            max_batch: 1_000,
            max_expires: Duration::from_secs(60),
            // Who has not read for so long has missed events anyway.
            inactive_threshold: EVENT_AGE,
            ..consumer::pull::Config::default()
        };
        self.jetstream
            .create_consumer_on_stream(config, subject::event_stream(self.region))
            .await
            .map_err(|error| BrokerError::prepare(format!("the consumer {name}"), error))?;
        Ok(name)
    }

    /// Removes a tenant's own consumers: credentials that are out find nothing to read any more. Answers whether all are gone.
    pub async fn remove_tenant_consumers(&self, tenant: TenantId) -> bool {
        let mut gone = true;
        for number in 1..=subject::TENANT_CONSUMERS {
            let removed = self
                .jetstream
                .delete_consumer_from_stream(
                    subject::tenant_consumer(tenant, number),
                    subject::event_stream(self.region),
                )
                .await;
            gone &= match removed {
                Ok(_) => true,
                Err(error) => matches!(
                    error.kind(),
                    stream::ConsumerErrorKind::JetStream(error) if error.error_code() == jetstream::ErrorCode::CONSUMER_NOT_FOUND
                ),
            };
        }
        gone
    }

    /// When the stream of events was created: another time than before means that its store was lost, and with it what it still had to deliver.
    ///
    /// # Errors
    /// [`BrokerError::Prepare`] when the broker is away or the stream is missing.
    pub async fn event_stream_created(&self) -> Result<i64, BrokerError> {
        let stream = self
            .jetstream
            .get_stream(subject::event_stream(self.region))
            .await
            .map_err(|error| BrokerError::prepare("the stream of events", error))?;
        Ok(stream.cached_info().created.unix_timestamp())
    }

    /// Stores one message and waits until the broker has it. `message_id` makes a repeat within the stream's window a no-op.
    ///
    /// # Errors
    /// [`BrokerError::Publish`] when no acknowledgement came in time; the message may or may not be stored.
    pub async fn publish(&self, subject: String, message_id: &str, payload: Bytes) -> Result<(), BrokerError> {
        let acknowledgement = self.start_publish(subject, message_id, payload).await?;
        acknowledgement.await.map_err(BrokerError::Publish)?;
        Ok(())
    }

    /// Sends one message; the returned future ends when the broker has stored it. Messages started one after another are stored in that order.
    ///
    /// # Errors
    /// [`BrokerError::Publish`] when the message could not even be sent.
    pub async fn start_publish(
        &self,
        subject: String,
        message_id: &str,
        payload: Bytes,
    ) -> Result<jetstream::context::PublishAckFuture, BrokerError> {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, message_id);
        self.jetstream
            .publish_with_headers(subject, headers, payload)
            .await
            .map_err(BrokerError::Publish)
    }

    /// Sends a hint: whoever listens wakes up, and nobody minds when it is lost.
    pub async fn hint(&self, subject: String) {
        if let Err(error) = self.client.publish(subject, Bytes::new()).await {
            tracing::debug!(%error, "a hint was lost");
        }
    }
}
