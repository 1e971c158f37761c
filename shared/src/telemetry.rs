//! Logs, traces and metrics, set up once at start.
//!
//! Logs carry identifiers and never contents: no message bodies, no keys, no addresses of people. Metric names are listed in each crate's
//! `metrics.rs`.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{LogFormat, TelemetryOptions};

/// Upper bounds of the buckets of every duration, in seconds: from a cache hit to a long poll.
const DURATION_BUCKETS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0,
];

/// Telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter cannot be read.
    #[error("ROOKERY_LOG is not a log filter")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The trace exporter could not be built.
    #[error("ROOKERY_OTLP_ENDPOINT cannot be used")]
    Traces(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The metrics recorder could not be installed.
    #[error("cannot record metrics")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// Something else has set up logging before.
    #[error("logging is already set up")]
    AlreadySet(#[from] tracing_subscriber::util::TryInitError),
}

/// Keeps telemetry going; flushes traces when dropped at the end of `main`.
#[derive(Debug)]
pub struct Telemetry {
    /// Renders the metrics for `/metrics`.
    pub metrics: PrometheusHandle,
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sets up logs, metrics and, if an endpoint is given, traces for the binary `service`.
    ///
    /// # Errors
    /// [`TelemetryError`] when a setting is unusable or telemetry is already set up.
    pub fn start(options: &TelemetryOptions, service: &'static str) -> Result<Self, TelemetryError> {
        let filter = EnvFilter::builder().parse(complete_filter(&options.log))?;
        let format = match options.log_format {
            LogFormat::Json => tracing_subscriber::fmt::layer().json().flatten_event(true).boxed(),
            LogFormat::Pretty => tracing_subscriber::fmt::layer().with_ansi(false).boxed(),
        };
        let traces = match &options.otlp_endpoint {
            Some(endpoint) => Some(trace_provider(endpoint, service)?),
            None => None,
        };
        let trace_layer = traces
            .as_ref()
            .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer(service)));
        tracing_subscriber::registry()
            .with(filter)
            .with(format)
            .with(trace_layer)
            .try_init()?;
        let metrics = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS)?
            .install_recorder()?;
        Ok(Self { metrics, traces })
    }

    /// Bounds the memory of the metrics: must be called now and then, also when nobody asks for them.
    pub async fn upkeep(handle: PrometheusHandle) {
        let mut interval = tokio::time::interval(Duration::from_secs(5));
        loop {
            interval.tick().await;
            handle.run_upkeep();
        }
    }
}

/// The filter that an operator means by a bare level: it is about Rookery. Libraries stay at `warn`, because they tell too much, and one of them writes
/// phone numbers into its information messages.
fn complete_filter(filter: &str) -> String {
    match filter.trim() {
        level @ ("info" | "debug" | "trace") => {
            format!("warn,gateway={level},worker={level},dispatcher={level},shared={level}")
        }
        other => other.to_owned(),
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(traces) = &self.traces
            && let Err(error) = traces.shutdown()
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

fn trace_provider(endpoint: &str, service: &'static str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(endpoint)
        .build()?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name(service).build())
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_level_is_about_rookery_and_anything_else_is_taken_as_it_is() {
        assert_eq!(
            complete_filter("debug"),
            "warn,gateway=debug,worker=debug,dispatcher=debug,shared=debug"
        );
        for filter in ["warn", "off", "info,whatsapp_rust=debug", "worker=trace"] {
            assert_eq!(complete_filter(filter), filter);
            assert!(EnvFilter::builder().parse(complete_filter(filter)).is_ok());
        }
    }
}
