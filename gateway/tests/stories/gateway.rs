//! A gateway in this process, and the people who use it.

use axum::Router;
use clap::Parser as _;
use gateway::app::App;
use gateway::config::Configuration;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use shared::ids::{SessionId, TenantId};
use shared::lifecycle::Shutdown;
use shared::seal::RegionSecretKey;

use crate::client::Client;
use crate::database::Database;
use harness::wait::{SOON, until};

/// The operator's key of every story.
pub(crate) const OPERATOR_KEY: &str = "operator-key-of-the-gateways-stories";
/// The region of every story.
pub(crate) const REGION: &str = "story";
/// An address where nothing listens.
const NOWHERE: &str = "nats://127.0.0.1:9";

/// A running gateway. Its background tasks end with the value.
pub(crate) struct Gateway {
    pub(crate) app: App,
    pub(crate) router: Router,
    pub(crate) shutdown: Shutdown,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shutdown.hard().cancel();
    }
}

/// How a gateway is started when a story wants it otherwise.
#[derive(Default)]
pub(crate) struct Options<'a> {
    /// Flags besides the usual ones.
    pub(crate) flags: Vec<&'a str>,
    /// The port through which Postgres is reached.
    pub(crate) database_port: Option<u16>,
    /// The broker; none: away.
    pub(crate) nats: Option<String>,
    /// The object store; none: away.
    pub(crate) s3: Option<String>,
}

/// A database with one gateway on it.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) region_key: RegionSecretKey,
    pub(crate) database: Database,
}

/// A tenant with a key that has every scope.
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) key_id: String,
    pub(crate) client: Client,
}

impl Gateway {
    /// Starts a gateway without waiting for anything.
    pub(crate) async fn launch(database: &Database, region_key: &RegionSecretKey, options: Options<'_>) -> Self {
        let database_url = database.url(options.database_port);
        let public_key = region_key.public_base64();
        let nats = options.nats.unwrap_or_else(|| NOWHERE.to_owned());
        let s3 = options.s3.as_deref().unwrap_or("http://127.0.0.1:9");
        let mut arguments = vec![
            "rookery-gateway",
            "--listen-address=127.0.0.1:0",
            "--admin-key",
            OPERATOR_KEY,
            "--region",
            REGION,
            "--region-public-key",
            &public_key,
            "--database-url",
            &database_url,
            "--nats-url",
            &nats,
            "--unready-seconds=0",
            "--s3-bucket",
            "story",
            "--s3-endpoint",
            s3,
            "--s3-access-key=access",
            "--s3-secret-key=secret",
        ];
        arguments.extend(options.flags);
        let config = Configuration::try_parse_from(arguments).unwrap();
        let shutdown = Shutdown::new();
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let app = App::start(&config, metrics, &shutdown).await.unwrap();
        Self {
            router: gateway::router(app.clone()),
            app,
            shutdown,
        }
    }

    /// Starts a gateway and waits until it has found its database in order.
    pub(crate) async fn start(database: &Database, region_key: &RegionSecretKey, options: Options<'_>) -> Self {
        let gateway = Self::launch(database, region_key, options).await;
        until("the gateway is migrated", SOON, async || {
            gateway.app.is_migrated().then_some(())
        })
        .await;
        gateway
    }

    /// Nobody in particular.
    pub(crate) fn stranger(&self) -> Client {
        Client::new(self.router.clone(), None)
    }

    /// The operator.
    pub(crate) fn operator(&self) -> Client {
        Client::new(self.router.clone(), Some(OPERATOR_KEY))
    }
}

impl World {
    /// A fresh database with one gateway, without a broker.
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options<'_>) -> Self {
        let database = Database::create().await;
        let region_key = RegionSecretKey::generate();
        let gateway = Gateway::start(&database, &region_key, options).await;
        Self {
            gateway,
            region_key,
            database,
        }
    }

    /// Another gateway beside the first one.
    pub(crate) async fn second_gateway(&self) -> Gateway {
        Gateway::start(&self.database, &self.region_key, Options::default()).await
    }

    pub(crate) fn operator(&self) -> Client {
        self.gateway.operator()
    }

    /// A new tenant with a key that has every scope.
    pub(crate) async fn tenant(&self) -> Tenant {
        let created = self
            .operator()
            .post("/v1/tenants", json!({"name": "Story Ltd."}))
            .await
            .expect(201);
        let id = created.text("/id");
        let key = self.key(&id, json!({})).await;
        Tenant {
            id: id.parse().unwrap(),
            key_id: key.0,
            client: self.operator().with_key(&key.1),
        }
    }

    /// A new key of a tenant, with every scope unless `restrictions` says otherwise: its id and itself.
    pub(crate) async fn key(&self, tenant: &str, restrictions: Value) -> (String, String) {
        let mut body = json!({
            "tenant_id": tenant,
            "name": "story",
            "scopes": ["sessions:read", "sessions:write", "messages:read", "messages:send", "webhooks:write", "media:read", "media:write"],
        });
        for (name, value) in restrictions.as_object().unwrap() {
            body[name] = value.clone();
        }
        let created = self.operator().post("/v1/api-keys", body).await.expect(201);
        (created.text("/id"), created.text("/key"))
    }
}

impl Tenant {
    /// A new session that is started.
    pub(crate) async fn session(&self) -> SessionId {
        let created = self
            .client
            .post("/v1/sessions", json!({"name": "Support"}))
            .await
            .expect(201);
        created.text("/id").parse().unwrap()
    }

    /// A new session with an account.
    pub(crate) async fn linked_session(&self, database: &Database) -> SessionId {
        let session = self.session().await;
        database.link(session).await;
        session
    }

    /// A file that is to be uploaded, which needs no bucket: its id.
    pub(crate) async fn announced_media(&self) -> String {
        let announced = self.client.post("/v1/media/uploads", json!({})).await.expect(201);
        announced.text("/id")
    }

    /// A new webhook for everything: its id and its secret.
    pub(crate) async fn webhook(&self) -> (String, String) {
        let body = json!({"url": "https://shop.example/hook"});
        let created = self.client.post("/v1/webhooks", body).await.expect(201);
        (created.text("/id"), created.text("/secret"))
    }
}

/// The body of a short text message.
pub(crate) fn text_message(text: &str) -> Value {
    json!({"to": "15550009999", "type": "text", "text": {"body": text}})
}
