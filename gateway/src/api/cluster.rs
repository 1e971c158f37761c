//! `/v1/cluster`: the region's workers, for its operator.
//!
//! A view and nothing else: sessions find their workers by themselves, and no route moves one.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::ids::{SessionId, TenantId, WorkerId};
use shared::store::cluster::{Takeover, WorkerOverview};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::AdminCall;
use crate::database::promptly;
use crate::http::timestamp::Timestamp;
use crate::problem::Problem;

/// How many takeovers are shown.
const TAKEOVERS: i64 = 50;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(get_cluster))
}

/// The cluster of this region, now.
#[derive(Debug, Serialize, ToSchema)]
struct Cluster {
    /// The region.
    #[schema(example = "local")]
    region: String,
    /// Its workers, the oldest first.
    workers: Vec<Worker>,
    /// How many sessions want a worker, held or not.
    wanted: i64,
    /// How many of those have none and may be claimed now.
    waiting: i64,
    /// The latest takeovers, the latest first: sessions that were claimed from a worker that had not given them back. One for each session at
    /// most, 50 altogether.
    takeovers: Vec<TakeoverObject>,
}

/// A worker and how much it holds.
#[derive(Debug, Serialize, ToSchema)]
struct Worker {
    /// Its id: another one after every start.
    #[schema(value_type = String, example = "wrk_06egk3n2g8v6f9d8h2q7c1t0b4")]
    id: WorkerId,
    /// The release it runs.
    version: String,
    /// Since when it runs.
    started_at: Timestamp,
    /// Its last heartbeat, by the database's clock.
    last_beat_at: Timestamp,
    /// Whether its heartbeat is recent; if not, others take its sessions.
    alive: bool,
    /// Whether it gives its sessions away because it is about to stop.
    draining: bool,
    /// How many sessions it can hold.
    capacity: i32,
    /// How many it holds.
    sessions: i64,
    /// How many of those are connected to WhatsApp.
    connected: i64,
}

/// A session that another worker took over.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Takeover)]
struct TakeoverObject {
    /// The session.
    #[schema(value_type = String)]
    session_id: SessionId,
    /// Its name.
    session_name: String,
    /// Whose it is.
    #[schema(value_type = String)]
    tenant_id: TenantId,
    /// Who had it.
    #[schema(value_type = String)]
    from: WorkerId,
    /// Who holds it now; null after it was given back.
    #[schema(value_type = Option<String>)]
    to: Option<WorkerId>,
    /// How often the session has been claimed.
    epoch: i64,
    /// When it was taken.
    taken_at: Timestamp,
}

impl From<WorkerOverview> for Worker {
    fn from(worker: WorkerOverview) -> Self {
        Self {
            id: worker.id,
            version: worker.version,
            started_at: worker.started_at.into(),
            last_beat_at: worker.beat_at.into(),
            alive: !worker.stale,
            draining: worker.draining,
            capacity: worker.capacity,
            sessions: worker.held,
            connected: worker.connected,
        }
    }
}

impl From<Takeover> for TakeoverObject {
    fn from(takeover: Takeover) -> Self {
        Self {
            session_id: takeover.session,
            session_name: takeover.name,
            tenant_id: takeover.tenant,
            from: takeover.from,
            to: takeover.to,
            epoch: takeover.epoch,
            taken_at: takeover.claimed_at.into(),
        }
    }
}

/// Show the cluster: workers, what they hold, and who took over from whom.
#[utoipa::path(get, path = "/v1/cluster", tag = "cluster",
    responses((status = 200, description = "The cluster, now.", body = Cluster)))]
async fn get_cluster(State(app): State<App>, _call: AdminCall) -> Result<Json<Cluster>, Problem> {
    let (workers, demand, takeovers) = promptly(async {
        let mut transaction = app.store().administration().await?;
        Ok((
            transaction.workers().await?,
            transaction.demand().await?,
            transaction.takeovers(TAKEOVERS).await?,
        ))
    })
    .await?;
    Ok(Json(Cluster {
        region: app.region().to_string(),
        workers: workers.into_iter().map(Worker::from).collect(),
        wanted: demand.wanted,
        waiting: demand.waiting,
        takeovers: takeovers.into_iter().map(TakeoverObject::from).collect(),
    }))
}
