//! From any sampling rate to 16 kHz, in pieces: a low-pass filter (a windowed sinc) evaluated where the new samples lie.

use std::f64::consts::PI;

/// The rate of voice notes, in samples a second.
pub const RATE: u32 = 16_000;
/// Zero crossings of the sinc on each side.
const CROSSINGS: f64 = 12.0;

/// Resamples one channel.
#[derive(Debug)]
pub struct Resampler {
    /// Source samples for each new one.
    step: f64,
    /// The filter's cut-off, relative to the source's rate.
    cutoff: f64,
    /// How many source samples the filter reaches to each side.
    reach: usize,
    /// Source samples that are still needed.
    buffer: Vec<f32>,
    /// Where the next new sample lies in the buffer.
    position: f64,
}

impl Resampler {
    /// From `rate` samples a second.
    #[must_use]
    pub fn new(rate: u32) -> Self {
        let step = f64::from(rate) / f64::from(RATE);
        // A little below half of the lower rate, so that nothing is mirrored into what is heard.
        let cutoff = 0.95 * (1.0 / step).min(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let reach = (CROSSINGS / cutoff).ceil() as usize;
        Self {
            step,
            cutoff,
            reach,
            // Silence before the beginning.
            buffer: vec![0.0; reach],
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            position: reach as f64,
        }
    }

    /// Takes source samples and appends what can be made of them to `out`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "positions are within the buffer, which holds some thousand samples"
    )]
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        self.buffer.extend_from_slice(samples);
        while self.position as usize + self.reach < self.buffer.len() {
            let centre = self.position as usize;
            let window = &self.buffer[centre + 1 - self.reach..=centre + self.reach];
            let mut sum = 0.0;
            for (index, sample) in window.iter().enumerate() {
                let distance = (centre + 1 + index) as f64 - self.reach as f64 - self.position;
                sum += f64::from(*sample) * self.weight(distance);
            }
            out.push(sum as f32);
            self.position += self.step;
        }
        let done = (self.position as usize + 1).saturating_sub(self.reach);
        if done > 0 {
            self.buffer.drain(..done.min(self.buffer.len()));
            self.position -= done as f64;
        }
    }

    /// Appends what was held back.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        let silence = vec![0.0; self.reach];
        self.push(&silence, out);
    }

    /// The windowed sinc (Hann) at `distance` source samples from its centre.
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn weight(&self, distance: f64) -> f64 {
        let reach = self.reach as f64;
        if distance.abs() >= reach {
            return 0.0;
        }
        let angle = PI * distance * self.cutoff;
        let sinc = if angle == 0.0 { 1.0 } else { angle.sin() / angle };
        let window = 0.5 + 0.5 * (PI * distance / reach).cos();
        self.cutoff * sinc * window
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a test")]
mod tests {
    use super::*;

    fn tone(rate: u32, frequency: f64) -> Vec<f32> {
        (0..rate)
            .map(|n| (2.0 * PI * frequency * f64::from(n) / f64::from(rate)).sin() as f32)
            .collect()
    }

    fn loudness(samples: &[f32]) -> f64 {
        let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
        (middle.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / middle.len() as f64).sqrt()
    }

    #[test]
    fn a_tone_keeps_its_pitch_and_loudness_and_what_cannot_be_kept_is_silenced() {
        for rate in [8_000, 16_000, 22_050, 44_100, 48_000] {
            let mut out = Vec::new();
            let mut resampler = Resampler::new(rate);
            for piece in tone(rate, 1_000.0).chunks(777) {
                resampler.push(piece, &mut out);
            }
            resampler.finish(&mut out);
            assert!(
                (out.len() as i64 - i64::from(RATE)).abs() < 40,
                "{rate}: {} samples",
                out.len()
            );
            assert!(
                (loudness(&out) - 0.5_f64.sqrt()).abs() < 0.02,
                "{rate}: {}",
                loudness(&out)
            );
            let middle = &out[4_000..12_000];
            let crossings = middle.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
            assert!(
                (498..=502).contains(&crossings),
                "{rate}: {crossings} periods in half a second"
            );
        }
        let mut out = Vec::new();
        let mut resampler = Resampler::new(48_000);
        resampler.push(&tone(48_000, 12_000.0), &mut out);
        assert!(
            loudness(&out) < 0.01,
            "12 kHz would be heard as 4 kHz: {}",
            loudness(&out)
        );
    }
}
