//! Draws the QR code of a capture link: as a PNG where Verifa sent none, and with characters for a terminal.
//!
//! Both drawings have the quiet zone that scanners need. They are as secret as the link.

use qrcode::{Color, EcLevel};

use super::capture::{CaptureUrl, QrCode};

/// Light modules around the code, as ISO/IEC 18004 asks.
const QUIET_ZONE: usize = 4;
/// Pixels per module: large enough for a phone held to a screen.
const MODULE: usize = 6;

const BLACK_ON_WHITE: &str = "\u{1b}[38;5;16;48;5;231m";
const RESET: &str = "\u{1b}[0m";

impl CaptureUrl {
    /// The QR code of the link as a PNG; `None` should the link not fit into one.
    pub fn draw_png(&self) -> Option<QrCode> {
        let modules = Modules::of(self)?;
        let side = modules.side() * MODULE;
        let pixels: Vec<u8> = (0..side)
            .flat_map(|y| (0..side).map(move |x| (x / MODULE, y / MODULE)))
            .map(|(x, y)| if modules.is_dark(x, y) { 0 } else { u8::MAX })
            .collect();

        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, u32::try_from(side).ok()?, u32::try_from(side).ok()?);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().ok()?;
        writer.write_image_data(&pixels).ok()?;
        writer.finish().ok()?;
        Some(QrCode::from_png(&png))
    }

    /// The QR code of the link as lines of half blocks in explicit colours, so that it can be scanned from dark and
    /// light terminals alike.
    pub fn draw_terminal(&self) -> Option<String> {
        let modules = Modules::of(self)?;
        let lines = (0..modules.side()).step_by(2).map(|y| {
            let blocks: String = (0..modules.side())
                .map(|x| match (modules.is_dark(x, y), modules.is_dark(x, y + 1)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                })
                .collect();
            format!("{BLACK_ON_WHITE}{blocks}{RESET}\n")
        });
        Some(lines.collect())
    }
}

/// The code's modules with the quiet zone around them.
struct Modules(qrcode::QrCode);

impl Modules {
    fn of(link: &CaptureUrl) -> Option<Self> {
        qrcode::QrCode::with_error_correction_level(link.expose(), EcLevel::M).ok().map(Self)
    }

    fn side(&self) -> usize {
        self.0.width() + 2 * QUIET_ZONE
    }

    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside = QUIET_ZONE..QUIET_ZONE + self.0.width();
        inside.contains(&x) && inside.contains(&y) && self.0[(x - QUIET_ZONE, y - QUIET_ZONE)] == Color::Dark
    }
}
