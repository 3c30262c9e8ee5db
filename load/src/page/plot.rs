//! Lives here: one plot, as SVG: lines or dots over the seconds of a run.
//! Not here: which plots there are, and what is in them (`plots`).

use std::fmt::Write as _;

use anyhow::anyhow;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::escape;

/// A plot's own units; the page scales it to the room there is.
const WIDTH: u32 = 640;
const HEIGHT: u32 = 230;
/// Room above the highest point, as a part of it.
const HEADROOM: f64 = 1.08;

const GRID: RGBColor = RGBColor(228, 232, 238);
const AXIS: RGBColor = RGBColor(168, 176, 188);
const LABEL: RGBColor = RGBColor(84, 94, 110);

/// Behind everything, where the server was gone.
pub(super) const GONE: Colour = (246, 214, 214);

/// A line's colour, by name.
pub(super) type Colour = (u8, u8, u8);

/// Threads, in the order of their numbers: Okabe and Ito's colours, for colour-blind eyes.
pub(super) const THREADS: [Colour; 8] = [
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (122, 74, 160),
    (110, 118, 130),
];
/// What is the usual, and what is the worst, of this run.
pub(super) const USUAL: Colour = (86, 180, 233);
pub(super) const WORST: Colour = (0, 84, 150);
/// The other run's.
pub(super) const OTHER_USUAL: Colour = (232, 190, 150);
pub(super) const OTHER_WORST: Colour = (200, 100, 30);

/// A line through the seconds; where a value is missing, it is broken.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) colour: Colour,
    /// The other run's lines are.
    pub(super) dashed: bool,
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// A moment of a change, or a dot at a height.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) at: f64,
    pub(super) colour: Colour,
    /// None: a thin line over the whole height.
    pub(super) value: Option<f64>,
}

/// A plot.
#[derive(Debug)]
pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    /// What the values are counted in, for the axis.
    pub(super) unit: &'a str,
    pub(super) seconds: f64,
    pub(super) lines: Vec<Line>,
    pub(super) marks: Vec<Mark>,
    /// Times in which the server was gone, from and until.
    pub(super) gaps: Vec<(f64, f64)>,
    /// The axis reaches at least so high.
    pub(super) at_least: f64,
    /// A limit, drawn across.
    pub(super) limit: Option<f64>,
}

impl Plot<'_> {
    /// Whether there is anything to see.
    pub(super) fn is_empty(&self) -> bool {
        let values = self.lines.iter().flat_map(|line| &line.points);
        let dots = self.marks.iter().filter(|mark| mark.value.is_some());
        values.filter(|(_, value)| value.is_some()).count() + dots.count() == 0
    }

    /// Writes the plot with its title and legend.
    pub(super) fn write(&self, page: &mut String) -> anyhow::Result<()> {
        write!(page, "<figure><figcaption><b>{}</b>", escape(self.title))?;
        if self.lines.len() > 1 {
            for line in &self.lines {
                let (r, g, b) = line.colour;
                let class = if line.dashed { "key dashed" } else { "key" };
                write!(
                    page,
                    "<span class=\"{class}\" style=\"color:rgb({r},{g},{b})\"><i></i><em>{}</em></span>",
                    escape(&line.name)
                )?;
            }
        }
        page.push_str("</figcaption>");
        page.push_str(&self.svg()?);
        page.push_str("</figure>\n");
        Ok(())
    }

    fn top(&self) -> f64 {
        let values = self.lines.iter().flat_map(|line| &line.points);
        let values = values.filter_map(|(_, value)| *value);
        let dots = self.marks.iter().filter_map(|mark| mark.value);
        let highest = values.chain(dots).fold(0.0, f64::max);
        (highest * HEADROOM).max(self.at_least).max(1e-3)
    }

    fn svg(&self) -> anyhow::Result<String> {
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        self.draw(&area)
            .map_err(|error| anyhow!("a plot can't be drawn: {error}"))?;
        drop(area);
        // The page gives it its size.
        let size = format!("width=\"{WIDTH}\" height=\"{HEIGHT}\" ");
        Ok(svg.replacen(&size, "", 1))
    }

    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Drawn {
        let top = self.top();
        let style = ("sans-serif", 15).into_font().color(&LABEL);
        let mut chart = ChartBuilder::on(area)
            .margin_top(22)
            .margin_right(14)
            .x_label_area_size(28)
            .y_label_area_size(50)
            .build_cartesian_2d(0.0..self.seconds.max(1.0), 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(AXIS)
            .x_labels(9)
            .y_labels(5)
            .x_label_formatter(&|x| format!("{x:.0} s"))
            .y_label_formatter(&|y| short(*y))
            .label_style(style.clone())
            .draw()?;
        area.draw_text(
            self.unit,
            &style.pos(Pos::new(HPos::Left, VPos::Top)),
            (4, 3),
        )?;
        for (from, until) in &self.gaps {
            // As wide as can be seen, at least.
            let until = until.max(from + self.seconds / f64::from(WIDTH));
            let corners = [(*from, 0.0), (until, top)];
            chart.draw_series([Rectangle::new(corners, rgb(GONE).filled())])?;
        }
        // A change by a clock that is not this one's may be anywhere.
        let seen = 0.0..=self.seconds;
        for mark in self.marks.iter().filter(|mark| seen.contains(&mark.at)) {
            let colour = rgb(mark.colour);
            if let Some(value) = mark.value {
                let dot = Circle::new((mark.at, value), 4, colour.filled());
                chart.draw_series([dot])?;
            } else {
                let line = [(mark.at, 0.0), (mark.at, top)];
                chart.draw_series([PathElement::new(line, colour.mix(0.5).stroke_width(2))])?;
            }
        }
        if let Some(limit) = self.limit.filter(|limit| *limit <= top) {
            let line = [(0.0, limit), (self.seconds, limit)];
            chart.draw_series(DashedLineSeries::new(line, 3, 4, AXIS.stroke_width(1)))?;
        }
        // This run's lines come last, on top.
        let (theirs, ours): (Vec<_>, Vec<_>) = self.lines.iter().partition(|line| line.dashed);
        for line in theirs.into_iter().chain(ours) {
            let style = rgb(line.colour).stroke_width(2);
            for piece in pieces(&line.points) {
                if line.dashed {
                    chart.draw_series(DashedLineSeries::new(piece, 5, 4, style))?;
                } else {
                    chart.draw_series(LineSeries::new(piece, style))?;
                }
            }
        }
        area.present()?;
        Ok(())
    }
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn rgb((r, g, b): Colour) -> RGBColor {
    RGBColor(r, g, b)
}

/// The stretches without a gap.
fn pieces(points: &[(f64, Option<f64>)]) -> Vec<Vec<(f64, f64)>> {
    points
        .split(|(_, value)| value.is_none())
        .map(|piece| {
            piece
                .iter()
                .filter_map(|(at, v)| Some((*at, (*v)?)))
                .collect()
        })
        .filter(|piece: &Vec<_>| !piece.is_empty())
        .collect()
}

/// A number for an axis: no more digits than are needed.
pub(super) fn short(value: f64) -> String {
    let mut text = String::new();
    let done = match value.abs() {
        v if v >= 10_000.0 && value % 1000.0 == 0.0 => write!(text, "{:.0}k", value / 1000.0),
        v if v >= 10_000.0 => write!(text, "{:.1}k", value / 1000.0),
        v if v >= 100.0 || value.fract() == 0.0 => write!(text, "{value:.0}"),
        v if v >= 1.0 => write!(text, "{value:.1}"),
        _ => write!(text, "{value:.2}"),
    };
    // Writing to a string can't fail.
    done.map_or_else(|_| String::new(), |()| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_where_values_are_missing() {
        let points = [
            (0.0, Some(1.0)),
            (1.0, None),
            (2.0, Some(3.0)),
            (3.0, Some(4.0)),
        ];
        let broken = pieces(&points);
        assert_eq!(broken, [vec![(0.0, 1.0)], vec![(2.0, 3.0), (3.0, 4.0)]]);
        assert!(pieces(&[(0.0, None)]).is_empty());
    }

    #[test]
    fn axes_have_short_numbers() {
        let numbers = [0.0, 0.25, 1.5, 20.0, 150.4, 12_000.0, 25_862.0].map(short);
        assert_eq!(numbers, ["0", "0.25", "1.5", "20", "150", "12k", "25.9k"]);
    }
}
