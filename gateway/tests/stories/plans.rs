//! The plans of the questions that must stay fast: none reads a whole table, at any size, and a search uses the index of words although row-level security
//! binds it.

use harness::bench::read_model::load::Load;
use harness::bench::read_model::plans::questions;
use harness::repository;
use uuid::Uuid;

use crate::gateway::World;

#[tokio::test]
async fn every_list_and_search_is_answered_by_an_index() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(tenant.session().await.uuid);
    }
    let load = Load {
        tenant: tenant.id.0,
        sessions,
        messages: 40_000,
    };
    load.run(&world.database.pool).await.unwrap();
    let deep: Uuid = sqlx::query_scalar("SELECT id FROM message WHERE session_id = $1 ORDER BY id OFFSET 4000 LIMIT 1")
        .bind(load.sessions[0])
        .fetch_one(&world.database.pool)
        .await
        .unwrap();
    for question in questions(&load, deep) {
        let plan = question
            .plan(&world.database.pool, &repository::root().join(".sqlx"), true)
            .await
            .unwrap();
        assert!(!plan.contains("Seq Scan on message"), "{}:\n{plan}", question.name);
        assert!(!plan.contains("Seq Scan on chat"), "{}:\n{plan}", question.name);
        let found = plan.lines().next().unwrap_or_default();
        assert!(!found.contains("rows=0"), "{} finds something:\n{plan}", question.name);
        if question.name == "search-by-the-index-of-words" {
            assert!(plan.contains("message_words_idx"), "{plan}");
            assert!(!plan.contains("_pkey on message"), "{plan}");
        }
    }
}
