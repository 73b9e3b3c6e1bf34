//! A sentence transformer of the BERT family, on the processor, in pure Rust.
//!
//! The embedding of a text is the mean of the last hidden states of all its word pieces, special ones included, brought to
//! length 1: what Sentence-BERT (Reimers and Gurevych, 2019) calls mean pooling, and what the models of that family are
//! trained with.

use std::{collections::HashMap, fs, path::Path};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use sha2::{Digest, Sha256};
use tokenizers::{Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};

use super::Embedder;

const TOKENIZER: &[u8] = include_bytes!("../../assets/minilm-l6-int8/tokenizer.json");
const WEIGHTS: &[u8] = include_bytes!("../../assets/minilm-l6-int8/model.safetensors");
const CONFIG: &[u8] = include_bytes!("../../assets/minilm-l6-int8/config.json");
/// Names the compiled-in model; see [`Embedder::name`].
const EMBEDDED_NAME: &str = "minilm-l6-int8";

/// What a text is cut to, in word pieces: what the models of the family are trained with.
const PIECES_MAX: usize = 256;
/// Tensors of this name beside an int8 matrix hold one factor for each of its rows.
const SCALE: &str = ".scale";

/// A sentence transformer that is loaded. Some 100 MB for the compiled-in one; 10 to 15 ms for a question on one core.
pub struct Transformer {
    name: String,
    dimensions: usize,
    tokenizer: Tokenizer,
    model: BertModel,
}

/// Why a transformer cannot be loaded, or cannot embed a text.
#[derive(Debug, thiserror::Error)]
pub enum TransformerError {
    /// A file of the model cannot be read.
    #[error("{path} cannot be read")]
    Io {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// `config.json` does not describe a model of the BERT family.
    #[error("config.json does not describe a model of the BERT family")]
    Config(#[source] serde_json::Error),
    /// `tokenizer.json` is no tokenizer, or a text cannot be tokenised.
    #[error("the tokenizer fails")]
    Tokenizer(#[source] tokenizers::Error),
    /// `model.safetensors` is not in the format of its name.
    #[error("model.safetensors cannot be read")]
    Weights(#[source] safetensors::SafeTensorError),
    /// A tensor is of a type or shape that is not read.
    #[error("the tensor {0} is of a type or shape that is not read")]
    Tensor(String),
    /// The weights do not fit the configuration, or a text cannot be computed.
    #[error("the model fails")]
    Model(#[source] candle_core::Error),
}

impl Transformer {
    /// Loads the compiled-in model, all-MiniLM-L6-v2 in int8; takes about 0.2 s.
    ///
    /// # Errors
    /// [`TransformerError`]; never for the model as it is compiled in, which a test loads.
    pub fn embedded() -> Result<Self, TransformerError> {
        Self::from_bytes(EMBEDDED_NAME.to_owned(), CONFIG, TOKENIZER, WEIGHTS)
    }

    /// Loads a model from a folder with `config.json`, `tokenizer.json` and `model.safetensors`, as such models are
    /// published: weights in f32, f16 or bf16, or int8 matrices `NAME` with `NAME.scale` in f32.
    ///
    /// # Errors
    /// [`TransformerError`] where a file is missing or is not of a model of the BERT family.
    pub fn from_folder(folder: &Path) -> Result<Self, TransformerError> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|source| TransformerError::Io { path, source })
        };
        let weights = read("model.safetensors")?;
        Self::from_bytes(
            Self::name_of(&weights),
            &read("config.json")?,
            &read("tokenizer.json")?,
            &weights,
        )
    }

    /// The name of the compiled-in model, or of the one in a folder, without loading it.
    ///
    /// # Errors
    /// [`TransformerError::Io`] where the folder has no weights.
    pub fn name_in(folder: Option<&Path>) -> Result<String, TransformerError> {
        let Some(folder) = folder else {
            return Ok(EMBEDDED_NAME.to_owned());
        };
        let path = folder.join("model.safetensors");
        let weights = fs::read(&path).map_err(|source| TransformerError::Io { path, source })?;
        Ok(Self::name_of(&weights))
    }

    /// The weights name a model: vectors of two models cannot be compared, whatever their folders are called.
    fn name_of(weights: &[u8]) -> String {
        let digest = Sha256::digest(weights);
        digest[..8]
            .iter()
            .fold("sha256-".to_owned(), |name, byte| format!("{name}{byte:02x}"))
    }

    fn from_bytes(name: String, config: &[u8], tokenizer: &[u8], weights: &[u8]) -> Result<Self, TransformerError> {
        let config: Config = serde_json::from_slice(config).map_err(TransformerError::Config)?;
        let mut tokenizer = Tokenizer::from_bytes(tokenizer).map_err(TransformerError::Tokenizer)?;
        let truncation = TruncationParams {
            direction: TruncationDirection::Right,
            max_length: PIECES_MAX.min(config.max_position_embeddings),
            strategy: TruncationStrategy::LongestFirst,
            stride: 0,
        };
        tokenizer
            .with_truncation(Some(truncation))
            .map_err(TransformerError::Tokenizer)?
            .with_padding(None);
        let tensors = tensors(weights)?;
        let variables = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let model = BertModel::load(variables, &config).map_err(TransformerError::Model)?;
        Ok(Self {
            name,
            dimensions: config.hidden_size,
            tokenizer,
            model,
        })
    }

    fn last_states(&self, ids: &[u32]) -> candle_core::Result<Vec<Vec<f32>>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?;
        let types = ids.zeros_like()?;
        self.model.forward(&ids, &types, None)?.squeeze(0)?.to_vec2::<f32>()
    }
}

impl Embedder for Transformer {
    type Error = TransformerError;

    fn name(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// As the trait says, of at most 256 word pieces. Computes on the calling thread and on those of its pool, for 10 ms and more.
    fn embed(&self, text: &str) -> Result<Vec<f32>, TransformerError> {
        let pieces = self.tokenizer.encode(text, true).map_err(TransformerError::Tokenizer)?;
        let states = self.last_states(pieces.get_ids()).map_err(TransformerError::Model)?;
        let mut sum = vec![0.0_f32; self.dimensions];
        for state in &states {
            sum.iter_mut().zip(state).for_each(|(sum, value)| *sum += value);
        }
        Ok(unit(sum))
    }
}

impl std::fmt::Debug for Transformer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transformer")
            .field("name", &self.name)
            .field("dimensions", &self.dimensions)
            .finish_non_exhaustive()
    }
}

/// The vector at length 1; all 0 where it has no length, or none that is a number.
fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    let factor = if length.is_finite() && length > 0.0 {
        1.0 / length
    } else {
        0.0
    };
    // A product with a value that is no number is none either.
    let bounded = |value: f32| if value.is_finite() { value * factor } else { 0.0 };
    vector.iter_mut().for_each(|value| *value = bounded(*value));
    vector
}

/// All tensors of a file, in f32.
fn tensors(weights: &[u8]) -> Result<HashMap<String, Tensor>, TransformerError> {
    let file = SafeTensors::deserialize(weights).map_err(TransformerError::Weights)?;
    let mut tensors = HashMap::new();
    for (name, view) in file.iter() {
        if name.ends_with(SCALE) {
            continue;
        }
        let values = if view.dtype() == Dtype::I8 {
            let scale = file.tensor(&format!("{name}{SCALE}"));
            scaled(name, &view, &scale.map_err(TransformerError::Weights)?)?
        } else {
            floats(name, &view)?
        };
        let tensor = Tensor::from_vec(values, view.shape(), &Device::Cpu).map_err(TransformerError::Model)?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
}

/// An int8 matrix, each row times its factor.
fn scaled(name: &str, matrix: &TensorView<'_>, scale: &TensorView<'_>) -> Result<Vec<f32>, TransformerError> {
    let scale = floats(name, scale)?;
    let &[rows, columns] = matrix.shape() else {
        return Err(TransformerError::Tensor(name.to_owned()));
    };
    if rows != scale.len() || columns == 0 {
        return Err(TransformerError::Tensor(name.to_owned()));
    }
    let rows = matrix.data().chunks_exact(columns).zip(&scale);
    Ok(rows
        .flat_map(|(row, scale)| row.iter().map(move |value| f32::from(value.cast_signed()) * scale))
        .collect())
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever types there will be, these are read"
)]
fn floats(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, TransformerError> {
    let bytes = view.data();
    Ok(match view.dtype() {
        Dtype::F32 => bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|value| f32::from_le_bytes(*value))
            .collect(),
        Dtype::F16 => bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|value| half::f16::from_le_bytes(*value).to_f32())
            .collect(),
        Dtype::BF16 => bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|value| half::bf16::from_le_bytes(*value).to_f32())
            .collect(),
        // Positions are published along with the weights, as whole numbers, and are not read.
        Dtype::I64 => bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|value| i64::from_le_bytes(*value) as f32)
            .collect(),
        _ => return Err(TransformerError::Tensor(name.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedder::cosine;

    #[test]
    fn the_model_gives_the_vectors_it_was_published_with() {
        let model = Transformer::embedded().unwrap();
        assert_eq!(model.dimensions(), 384);
        let vector = model.embed("This is an example sentence").unwrap();
        for (found, wanted) in vector.iter().zip([0.066_597, 0.061_502, 0.050_952, 0.078_813]) {
            assert!((found - wanted).abs() < 1e-4, "{found} is not {wanted}");
        }
        let near = |a: &str, b: &str| cosine(&model.embed(a).unwrap(), &model.embed(b).unwrap());
        let paraphrase = near("How do I get my money back?", "Can I have a refund?");
        let other = near("How do I get my money back?", "How do I rotate an API key?");
        assert!(paraphrase > other + 0.3, "{paraphrase} {other}");
        // Longer than it reads, and nothing at all.
        assert_eq!(model.embed(&"word ".repeat(5_000)).unwrap().len(), 384);
        assert!((cosine(&model.embed("").unwrap(), &model.embed("").unwrap()) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn a_folder_that_is_no_model_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = Transformer::from_folder(folder.path()).unwrap_err();
        assert!(matches!(error, TransformerError::Io { .. }), "{error}");
        for (name, bytes) in [
            ("config.json", CONFIG),
            ("tokenizer.json", TOKENIZER),
            ("model.safetensors", &WEIGHTS[..10_000]),
        ] {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let error = Transformer::from_folder(folder.path()).unwrap_err();
        assert!(matches!(error, TransformerError::Weights(_)), "{error}");
        fs::write(folder.path().join("model.safetensors"), WEIGHTS).unwrap();
        let model = Transformer::from_folder(folder.path()).unwrap();
        assert!(model.name().starts_with("sha256-"), "{}", model.name());
        assert_eq!(Transformer::name_in(Some(folder.path())).unwrap(), model.name());
    }
}
