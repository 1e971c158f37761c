//! The dispatcher's configuration: the groups that it shares with the other binaries, and how it delivers.

use std::time::Duration;

use clap::{Args, Parser};
use shared::config::{
    BucketOptions, DatabaseOptions, EgressOptions, NatsOptions, OperationsOptions, RegionOptions, RegionSecretOptions,
    ShutdownOptions, TelemetryOptions,
};

/// Delivers the events of one region to the webhooks of its tenants: signed, retried, and no slow receiver delays another.
#[derive(Debug, Clone, Parser)]
#[command(name = "rookery-dispatcher", version)]
// Not the workers' default, so that both can run on one machine without any flag.
#[command(mut_arg("operations_address", |argument| argument.default_value("127.0.0.1:9092")))]
pub struct Config {
    /// Where it runs.
    #[command(flatten)]
    pub region: RegionOptions,
    /// The key that opens signing secrets.
    #[command(flatten)]
    pub region_secret: RegionSecretOptions,
    /// PostgreSQL.
    #[command(flatten)]
    pub database: DatabaseOptions,
    /// NATS.
    #[command(flatten)]
    pub nats: NatsOptions,
    /// The operations endpoint.
    #[command(flatten)]
    pub operations: OperationsOptions,
    /// The bucket, for webhooks that carry files. Without one they tell of files without their bytes.
    #[command(flatten)]
    pub bucket: BucketOptions,
    /// Where webhooks may lead.
    #[command(flatten)]
    pub egress: EgressOptions,
    /// How it delivers.
    #[command(flatten)]
    pub delivery: DeliveryOptions,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryOptions,
    /// How it stops.
    #[command(flatten)]
    pub shutdown: ShutdownOptions,
}

/// How deliveries are attempted.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Delivery")]
pub struct DeliveryOptions {
    /// Requests in flight at most, over all endpoints. Should be at least twice the endpoint limit times the number of endpoints that may
    /// hang at the same time.
    #[arg(long, env = "ROOKERY_DELIVERY_CONCURRENCY", default_value_t = 512, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=65_536))]
    pub delivery_concurrency: usize,
    /// Requests in flight at most to one endpoint, from this dispatcher.
    #[arg(long, env = "ROOKERY_ENDPOINT_CONCURRENCY", default_value_t = 4, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_024))]
    pub endpoint_concurrency: usize,
    /// Seconds that one attempt may take, from looking up the name to the last byte of the answer.
    #[arg(long, env = "ROOKERY_ATTEMPT_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub attempt_seconds: u64,
    /// Seconds of these that connecting may take.
    #[arg(long, env = "ROOKERY_CONNECT_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub connect_seconds: u64,
    /// Seconds before each further attempt, for webhooks without a schedule of their own. After the last one the delivery has failed.
    #[arg(
        long,
        env = "ROOKERY_RETRY_SCHEDULE",
        value_delimiter = ',',
        default_value = "5,30,120,600,1800,7200,18000,36000,50400,72000,86400",
        value_parser = clap::value_parser!(u32).range(0..=604_800)
    )]
    pub retry_schedule: Vec<u32>,
}

impl DeliveryOptions {
    /// How long one attempt may take.
    #[must_use]
    pub fn attempt_timeout(&self) -> Duration {
        Duration::from_secs(self.attempt_seconds)
    }

    /// How long connecting may take.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_seconds)
    }

    /// How long a delivery is leased for one attempt. Twice the attempt, so that there is time to write down how it went.
    #[must_use]
    pub fn lease(&self) -> Duration {
        2 * self.attempt_timeout()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let config = Config::try_parse_from(["rookery-dispatcher"]).unwrap();
        assert_eq!(config.operations.operations_address, "127.0.0.1:9092".parse().unwrap());
        assert_eq!(config.delivery.delivery_concurrency, 512);
        assert_eq!(config.delivery.endpoint_concurrency, 4);
        assert_eq!(config.delivery.attempt_timeout(), Duration::from_secs(15));
        assert_eq!(config.delivery.lease(), Duration::from_secs(30));
        assert_eq!(config.delivery.retry_schedule.len(), 11);
        let hours = config.delivery.retry_schedule.iter().sum::<u32>() / 3_600;
        assert_eq!(hours, 75, "retries span about three days");
    }

    #[test]
    fn a_schedule_is_a_list_of_seconds_and_nonsense_is_refused() {
        let config = Config::try_parse_from(["rookery-dispatcher", "--retry-schedule", "1,2,3"]).unwrap();
        assert_eq!(config.delivery.retry_schedule, [1, 2, 3]);
        assert!(Config::try_parse_from(["rookery-dispatcher", "--retry-schedule", "soon"]).is_err());
        assert!(Config::try_parse_from(["rookery-dispatcher", "--delivery-concurrency", "0"]).is_err());
        assert!(Config::try_parse_from(["rookery-dispatcher", "--attempt-seconds", "0"]).is_err());
    }
}
