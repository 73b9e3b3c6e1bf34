//! The figures as plots. Each is one SVG of fixed size on white, the same from run to run.

use std::fmt::Display;

use orchestratai_shared::AgentId;
use plotters::{
    coord::{Shift, ranged1d::SegmentedCoord},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{Measured, title};
use crate::{
    answers::{ANSWERS_FROM, Answered},
    calibration::{Judged, bins, selective_curve},
    routing::{Routed, confusion},
};

/// In pixels.
const WIDTH: u32 = 640;
const HEIGHT: u32 = 420;
/// Colours that are told apart also without red and green (Okabe and Ito, 2008).
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(0, 0, 0),
];
/// The depths at which recall is drawn.
const DEPTHS: [u32; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/// A plot could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("the plot {name} cannot be drawn: {reason}")]
pub struct PlotError {
    name: &'static str,
    reason: String,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

impl Measured<'_> {
    /// Each plot's file name with its SVG.
    ///
    /// # Errors
    /// [`PlotError`] where one cannot be drawn.
    pub fn plots(&self) -> Result<Vec<(&'static str, String)>, PlotError> {
        let routed: Vec<Judged> = self.routed.iter().map(Routed::judged).collect();
        let given: Vec<Judged> = self.given().map(Answered::judged).collect();
        Ok(vec![
            drawn("recall.svg", |area| self.recall(area))?,
            drawn("coverage.svg", |area| self.coverage(area))?,
            drawn("calibration-routing.svg", |area| {
                reliability(area, "Routing: confidence against share right", &routed)
            })?,
            drawn("calibration-answers.svg", |area| {
                reliability(area, "Answers: confidence against share right", &given)
            })?,
            drawn("confusion.svg", |area| self.heat_map(area))?,
        ])
    }

    fn recall(&self, area: &Area<'_>) -> Drawn {
        let series = self.rankings.iter().map(|(ranker, ranked)| {
            let mean = |depth: u32| {
                let recalls: f64 = ranked.iter().map(|ranked| ranked.recall(depth as usize)).sum();
                #[expect(clippy::cast_precision_loss, reason = "a set is far below 2^52 cases")]
                let mean = recalls / ranked.len().max(1) as f64;
                mean
            };
            let points = DEPTHS.map(|depth| (f64::from(depth), mean(depth)));
            (title(*ranker).to_owned(), points.to_vec())
        });
        let axes = Axes {
            caption: "Recall at depth k, over all collections",
            x: "k: chunks looked at",
            y: "share of passages found",
            x_range: 1.0..10.0,
            y_range: 0.3..1.0,
        };
        curves(area, &axes, series.collect(), true)
    }

    fn coverage(&self, area: &Area<'_>) -> Drawn {
        let routed: Vec<Judged> = self.routed.iter().map(Routed::judged).collect();
        let answered: Vec<Judged> = self
            .answered
            .iter()
            .chain(&self.outside)
            .map(Answered::judged)
            .collect();
        // The first few are one case each, and jump between 0 and 1; refusals are no answers.
        let smooth = |judged: &[Judged], least: f64| -> Vec<(f64, f64)> {
            let mut curve = selective_curve(judged);
            let sure = judged.iter().filter(|case| case.confidence >= least).count();
            #[expect(clippy::cast_precision_loss, reason = "a set is far below 2^52 cases")]
            let sure = sure as f64 / judged.len().max(1) as f64;
            curve.retain(|(share, _)| (0.1..=sure).contains(share));
            curve
        };
        let axes = Axes {
            caption: "Right among the surest",
            x: "share of all cases, the surest first",
            y: "share right",
            x_range: 0.0..1.0,
            y_range: 0.0..1.0,
        };
        let series = vec![
            ("routing".to_owned(), smooth(&routed, 0.0)),
            ("answers".to_owned(), smooth(&answered, ANSWERS_FROM)),
        ];
        curves(area, &axes, series, false)
    }

    fn heat_map(&self, area: &Area<'_>) -> Drawn {
        let confusion = confusion(&self.routed);
        let mut agents: Vec<&AgentId> = confusion.keys().collect();
        agents.extend(confusion.values().flat_map(|chosen| chosen.keys()));
        agents.sort();
        agents.dedup();
        let count = agents.len().max(1);
        let name = |at: usize| agents.get(at).map(ToString::to_string).unwrap_or_default();
        let of_column = |at: &SegmentValue<usize>| match at {
            SegmentValue::CenterOf(at) => name(*at),
            SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
        };
        // The first row stands on top.
        let of_row = |at: &SegmentValue<usize>| match at {
            SegmentValue::CenterOf(at) => name(count - 1 - (*at).min(count - 1)),
            SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
        };
        let segmented = || -> SegmentedCoord<_> { (0..count - 1).into_segmented() };
        let mut chart = ChartBuilder::on(area)
            .caption(
                "Routing: who was right (rows), who was chosen (columns)",
                ("sans-serif", 16),
            )
            .margin(14)
            .x_label_area_size(46)
            .y_label_area_size(110)
            .build_cartesian_2d(segmented(), segmented())?;
        chart
            .configure_mesh()
            .disable_mesh()
            .x_labels(count)
            .y_labels(count)
            .x_label_formatter(&of_column)
            .y_label_formatter(&of_row)
            .label_style(("sans-serif", 14))
            .draw()?;
        for (row, right) in agents.iter().rev().enumerate() {
            let chosen_of = confusion.get(*right);
            let of_right: usize = chosen_of.map(|chosen| chosen.values().sum()).unwrap_or_default();
            for (column, chosen) in agents.iter().enumerate() {
                let cases = chosen_of.and_then(|of| of.get(*chosen)).copied().unwrap_or_default();
                #[expect(clippy::cast_precision_loss, reason = "a set is far below 2^52 cases")]
                let share = cases as f64 / of_right.max(1) as f64;
                let (left, low) = (SegmentValue::Exact(column), SegmentValue::Exact(row));
                let corner = |at: usize| match at + 1 {
                    next if next < count => SegmentValue::Exact(next),
                    _ => SegmentValue::Last,
                };
                let fill = COLOURS[0].mix(share).filled();
                chart.draw_series([Rectangle::new([(left, low), (corner(column), corner(row))], fill)])?;
                let ink = if share > 0.55 { &WHITE } else { &BLACK };
                let style = ("sans-serif", 15)
                    .into_font()
                    .color(ink)
                    .pos(Pos::new(HPos::Center, VPos::Center));
                let middle = (SegmentValue::CenterOf(column), SegmentValue::CenterOf(row));
                chart.draw_series([Text::new(cases.to_string(), middle, style)])?;
            }
        }
        Ok(())
    }
}

struct Axes {
    caption: &'static str,
    x: &'static str,
    y: &'static str,
    x_range: std::ops::Range<f64>,
    y_range: std::ops::Range<f64>,
}

fn drawn(name: &'static str, draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<(&'static str, String), PlotError> {
    let failed = |reason: &dyn Display| PlotError {
        name,
        reason: reason.to_string(),
    };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        area.fill(&WHITE).map_err(|error| failed(&error))?;
        draw(&area).map_err(|error| failed(&error))?;
        area.present().map_err(|error| failed(&error))?;
    }
    Ok((name, svg))
}

/// Lines with a legend in the lower corner that they leave free; with `marks`, they rise and each point is shown.
fn curves(area: &Area<'_>, axes: &Axes, series: Vec<(String, Vec<(f64, f64)>)>, marks: bool) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .caption(axes.caption, ("sans-serif", 18))
        .margin(14)
        .x_label_area_size(46)
        .y_label_area_size(58)
        .build_cartesian_2d(axes.x_range.clone(), axes.y_range.clone())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(axes.x)
        .y_desc(axes.y)
        .x_labels(10)
        .y_labels(8)
        .x_label_formatter(&|x| format!("{x:.*}", usize::from(axes.x_range.end <= 1.0)))
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .draw()?;
    for ((name, points), colour) in series.into_iter().zip(COLOURS) {
        let dots = if marks { points.clone() } else { Vec::new() };
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart.draw_series(dots.into_iter().map(|point| Circle::new(point, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(if marks {
            SeriesLabelPosition::LowerRight
        } else {
            SeriesLabelPosition::LowerLeft
        })
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 14))
        .draw()?;
    Ok(())
}

/// A dot for each bin of confidence, as large as the share of cases in it; on the line confidence is what it says.
fn reliability(area: &Area<'_>, caption: &'static str, judged: &[Judged]) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 18))
        .margin(14)
        .x_label_area_size(46)
        .y_label_area_size(58)
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("confidence (mean of the bin); a dot is as large as its number of cases")
        .y_desc("share right")
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .draw()?;
    chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], BLACK.mix(0.4)))?;
    for bin in bins(judged).iter().filter(|bin| bin.cases > 0) {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "a radius of some pixels"
        )]
        let radius = (3.0 + 30.0 * (bin.cases as f64 / judged.len().max(1) as f64).sqrt()).round() as i32;
        let (at, colour) = ((bin.confidence, bin.accuracy), COLOURS[0]);
        chart.draw_series([Circle::new(at, radius, colour.mix(0.35).filled())])?;
        chart.draw_series([Circle::new(at, 3, colour.filled())])?;
        let style = ("sans-serif", 12)
            .into_font()
            .color(&BLACK)
            .pos(Pos::new(HPos::Center, VPos::Bottom));
        chart.draw_series([EmptyElement::at(at) + Text::new(bin.cases.to_string(), (0, -5), style)])?;
    }
    Ok(())
}
