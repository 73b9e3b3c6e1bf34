//! A provider of vectors, over a real socket: texts that share words are near each other.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use super::provider::{is_left, read_request};

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
    /// It answers with what is no answer.
    Confused,
}

/// A provider for as long as it is not dropped.
pub(crate) struct Vectors {
    address: SocketAddr,
    mood: watch::Sender<Mood>,
    seen: Arc<Mutex<Seen>>,
    accepting: JoinHandle<()>,
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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Seen>>::default());
        let (mood, moods) = watch::channel(Mood::Well);
        let known = Arc::clone(&seen);
        let accepting = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(socket, dimensions, moods.clone(), Arc::clone(&known)));
            }
        });
        Self {
            address,
            mood,
            seen,
            accepting,
        }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
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

impl Drop for Vectors {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection, as many requests as come on it.
async fn serve(mut socket: TcpStream, dimensions: usize, mut moods: watch::Receiver<Mood>, seen: Arc<Mutex<Seen>>) {
    socket.set_nodelay(true).unwrap();
    while let Some(asked) = read_request(&mut socket).await {
        let texts: Vec<String> = serde_json::from_value(asked.body["input"].clone()).unwrap();
        seen.lock().unwrap().asked.push(texts.clone());
        let waits = |mood: &Mood| *mood == Mood::SlowWithPassages && texts.len() >= MANY;
        let mood = *moods.wait_for(|mood| !waits(mood)).await.unwrap();
        let (status, body) = match mood {
            Mood::Well | Mood::SlowWithPassages => ("200 OK", answer(&texts, dimensions).to_string()),
            Mood::Silent => {
                if is_left(&mut socket).await {
                    seen.lock().unwrap().left.push(Instant::now());
                }
                return;
            }
            Mood::Broken => ("500 Internal Server Error", "{}".to_owned()),
            Mood::Confused => ("200 OK", r#"{"data": [{"embedding": "no"}]}"#.to_owned()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if socket.write_all((head + &body).as_bytes()).await.is_err() {
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
