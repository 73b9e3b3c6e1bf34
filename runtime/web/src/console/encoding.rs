//! Which of a file's encodings a client is sent (RFC 9110 §12.5.3).

use actix_web::http::header::{self, HeaderMap};

/// How a file was encoded beforehand, the smallest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Brotli,
    Gzip,
    Identity,
}

impl Encoding {
    const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Identity];

    /// What stands behind the file's name.
    pub(super) fn suffix(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some(".br"),
            Self::Gzip => Some(".gz"),
            Self::Identity => None,
        }
    }

    /// For `Content-Encoding`.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }

    /// The encoding that a file's name says it has.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|encoding| encoding.suffix().is_some_and(|suffix| name.ends_with(suffix)))
    }
}

/// The encodings that the client takes, the best first; none where it names none. What it refuses is not among them, but a
/// file that is there in no encoding it takes is sent as it is all the same.
pub(super) fn preferred(headers: &HeaderMap) -> Vec<Encoding> {
    let mut weights: [Option<f32>; 3] = [None; 3];
    let mut others = None;
    let named = headers
        .get_all(header::ACCEPT_ENCODING)
        .filter_map(|value| value.to_str().ok());
    for offered in named.flat_map(|value| value.split(',')) {
        let mut parts = offered.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let weight = parts.find_map(weight).unwrap_or(1.0);
        if coding == "*" {
            others = Some(weight);
        }
        for (slot, encoding) in weights.iter_mut().zip(Encoding::ALL) {
            let is_it = coding.eq_ignore_ascii_case(encoding.name().unwrap_or("identity"))
                || (encoding == Encoding::Gzip && coding.eq_ignore_ascii_case("x-gzip"));
            if is_it {
                *slot = Some(weight);
            }
        }
    }
    let mut taken: Vec<(Encoding, f32)> = Encoding::ALL
        .into_iter()
        .zip(weights)
        .filter_map(|(encoding, weight)| Some((encoding, weight.or(others)?)))
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    // Stable: of two that the client takes as gladly, the smaller.
    taken.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    taken.into_iter().map(|(encoding, _)| encoding).collect()
}

/// The weight that a parameter gives, from 0 to 1; none where it is no weight, and 0 where it is none that could be.
fn weight(parameter: &str) -> Option<f32> {
    let text = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?;
    let weight: f32 = text.trim().parse().unwrap_or(0.0);
    Some(if (0.0..=1.0).contains(&weight) { weight } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::{Encoding::*, *};

    #[test]
    fn the_client_says_what_it_takes_and_what_it_prefers() {
        let cases: [(&str, &[Encoding]); 12] = [
            ("gzip, deflate, br, zstd", &[Brotli, Gzip]),
            ("gzip", &[Gzip]),
            ("GZIP, BR", &[Brotli, Gzip]),
            ("x-gzip", &[Gzip]),
            ("br;q=0.5, gzip;q=0.8", &[Gzip, Brotli]),
            ("br;q=0, gzip", &[Gzip]),
            ("identity, br;q=0.5", &[Identity, Brotli]),
            ("*", &[Brotli, Gzip, Identity]),
            ("*;q=0.1, gzip ; q=0.2", &[Gzip, Brotli, Identity]),
            ("*;q=0", &[]),
            ("deflate", &[]),
            ("br;q=nonsense, gzip;q=7", &[]),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(preferred(&headers), expected, "{value}");
        }
        assert!(preferred(&HeaderMap::new()).is_empty());
    }

    #[test]
    fn several_headers_count_as_one() {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static("br"));
        assert_eq!(preferred(&headers), [Brotli, Gzip]);
    }
}
