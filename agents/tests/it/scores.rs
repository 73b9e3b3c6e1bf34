//! What the rankers of the first stage say of chunks.

use std::collections::HashMap;

use crate::world::{collection, demo};

#[tokio::test]
async fn a_chunk_has_the_score_of_the_best_of_its_document() {
    let knowledge = demo().await;
    let question = "How long are invoices kept after I close the account?";
    let found = knowledge
        .search(question, &[collection("billing")], usize::MAX)
        .await
        .unwrap();
    let rough = |scores: &orchestratai_agents::knowledge::Scores| {
        let bm25 = scores.bm25 / scores.bm25_reachable;
        scores.cosine + 0.5 * bm25
    };
    let mut best: HashMap<&str, f32> = HashMap::new();
    for found in &found.chunks {
        let of_document = best.entry(&found.chunk.origin.source).or_insert(f32::MIN);
        *of_document = of_document.max(rough(&found.scores));
    }
    assert!(best.len() > 10, "{best:?}");
    let mut lifted = 0;
    for found in &found.chunks {
        let document = found.scores.document.unwrap();
        assert!((document - best[found.chunk.origin.source.as_str()]).abs() < 1e-5);
        lifted += usize::from(document > rough(&found.scores) + 0.1);
    }
    assert!(lifted > 10, "{lifted}");
}
