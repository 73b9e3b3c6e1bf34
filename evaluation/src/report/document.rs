//! The document that the project shows: every figure, with plots beside it.

use super::{Measured, name};

impl Measured<'_> {
    /// The document; `folder` is where the plots stand, relative to it.
    #[must_use]
    pub fn document(&self, folder: &str) -> String {
        let part = name(&self.part);
        let plot = |file: &str, what: &str| format!("\n![{what}]({folder}/{file})\n");
        let mut out = format!(
            "# How good the answers are\n\n\
             Measured on labelled cases over the demo knowledge base, on the part to {part}. What the figures mean, and how the cases \
             are made, stands in [evaluation/README.md](../evaluation/README.md).\n\n\
             This file and its plots are written by a command, and a test holds them against what the code reaches:\n\n\
             ```console\n$ orchestratai eval --part {part} --write docs/evaluation.md\n```\n"
        );
        self.retrieval(&mut out);
        out += &plot("recall.svg", "Recall at depth k by ranker");
        self.routing(&mut out);
        out += &plot("confusion.svg", "Confusion matrix of routing");
        out += &plot("calibration-routing.svg", "Reliability diagram of routing");
        self.answers(&mut out);
        out += &plot("calibration-answers.svg", "Reliability diagram of answers");
        out += &plot("coverage.svg", "Share right among the surest cases");
        self.cache(&mut out);
        out.replace("\n### ", "\n## ")
    }
}
