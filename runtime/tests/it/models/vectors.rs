//! A provider of vectors, over a real socket: texts that share words are near each other.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use orchestratai_testing::http_server::{self, HttpConnection, HttpServer};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::provider::Asked;

/// Requests with so many texts and more are no questions: they are chunks, or what the scale of a model is found by.
const MANY: usize = 2;

/// What it does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It answers.
    Well,
    /// It waits for another mood before it answers what is no question.
    SlowWithPassages,
    /// It says nothing until the client goes.
    Silent,
    /// It refuses.
    Broken,
    /// It refuses, and repeats all that it was sent, the key among it.
    Echoing,
    /// It answers with what is no answer.
    Confused,
}

/// A provider for as long as it is not dropped.
pub(crate) struct Vectors {
    mood: watch::Sender<Mood>,
    seen: Arc<Mutex<Seen>>,
    server: HttpServer,
}

#[derive(Default)]
struct Seen {
    /// The texts of each request.
    asked: Vec<Vec<String>>,
    left: Vec<Instant>,
}

impl Vectors {
    /// Gives vectors of so many dimensions.
    pub(crate) async fn start(dimensions: usize) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let (mood, moods) = watch::channel(Mood::Well);
        let known = Arc::clone(&seen);
        let server =
            HttpServer::start(move |connection| serve(connection, dimensions, moods.clone(), Arc::clone(&known))).await;
        Self { mood, seen, server }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("{}/v1", self.server.url())
    }

    pub(crate) fn be(&self, mood: Mood) {
        self.mood.send(mood).unwrap();
    }

    /// How many texts of the knowledge base it was asked for, those twice that it was asked for twice.
    pub(crate) fn passages(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        // What the scale of a model is found by begins so.
        let is_scale = |text: &str| text.starts_with("How long does a refund") || text.starts_with("Money goes back");
        let of_demo = |texts: &&Vec<String>| texts.len() >= MANY && !is_scale(&texts[0]);
        let texts: usize = seen.asked.iter().filter(of_demo).map(Vec::len).sum();
        texts
    }

    /// Whether it was ever sent a text with this in it.
    pub(crate) fn has_been_asked(&self, text: &str) -> bool {
        let seen = self.seen.lock().unwrap();
        seen.asked.iter().flatten().any(|asked| asked.contains(text))
    }

    /// How many requests there were.
    pub(crate) fn requests(&self) -> usize {
        self.seen.lock().unwrap().asked.len()
    }

    /// Waits until `count` clients have gone while it was silent, and says when the last of them did.
    pub(crate) async fn was_left(&self, count: usize) -> Instant {
        let waiting = async {
            loop {
                if let Some(at) = self.seen.lock().unwrap().left.get(count - 1) {
                    return *at;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let left = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        left.expect("the client goes")
    }
}

/// One connection, as many requests as come on it.
async fn serve(
    mut connection: HttpConnection,
    dimensions: usize,
    mut moods: watch::Receiver<Mood>,
    seen: Arc<Mutex<Seen>>,
) {
    while let Some(request) = connection.request().await {
        let asked = Asked::of(&request);
        let texts: Vec<String> = serde_json::from_value(asked.body["input"].clone()).unwrap();
        seen.lock().unwrap().asked.push(texts.clone());
        let waits = |mood: &Mood| *mood == Mood::SlowWithPassages && texts.len() >= MANY;
        let mood = *moods.wait_for(|mood| !waits(mood)).await.unwrap();
        let (status, body) = match mood {
            Mood::Well | Mood::SlowWithPassages => ("200 OK", answer(&texts, dimensions).to_string()),
            Mood::Silent => {
                connection.hang().await;
                seen.lock().unwrap().left.push(Instant::now());
                return;
            }
            Mood::Broken => ("500 Internal Server Error", "{}".to_owned()),
            Mood::Echoing => ("400 Bad Request", asked.echoed()),
            Mood::Confused => ("200 OK", r#"{"data": [{"embedding": "no"}]}"#.to_owned()),
        };
        let answer = http_server::answer(status, "content-type: application/json\r\n", &body);
        if connection.send(answer).await.is_err() {
            return;
        }
    }
}

fn answer(texts: &[String], dimensions: usize) -> Value {
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| json!({"index": index, "embedding": vector(text, dimensions)}))
        .collect();
    json!({"data": data, "usage": {"prompt_tokens": 7 * texts.len(), "total_tokens": 7 * texts.len()}})
}

/// A count of the words, each in a place of its own as far as there are enough.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut counts = vec![0.0; dimensions];
    // So that every text has a direction.
    counts[0] = 0.1;
    let words = text.split(|letter: char| !letter.is_alphanumeric());
    for word in words.filter(|word| word.len() > 3) {
        let stem: String = word.to_lowercase().chars().take(5).collect();
        let mut hasher = DefaultHasher::new();
        stem.hash(&mut hasher);
        counts[usize::try_from(hasher.finish() % dimensions as u64).unwrap()] += 1.0;
    }
    counts
}
