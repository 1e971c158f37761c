//! Voice notes: sound of any readable format becomes OGG with Opus (RFC 7845), one channel at 16 kHz, as phones record it; with its length and waveform.

use std::io::Cursor;

use bytes::Bytes;
use ogg::writing::{PacketWriteEndInfo, PacketWriter};
use opus_rs::{Application, OpusDecoder, OpusEncoder};
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::Unreadable;
use super::resample::{RATE, Resampler};

/// The longest voice note, in seconds.
const LONGEST: usize = 3_600;
/// Samples of one packet: 20 ms.
const FRAME: usize = 320;
/// The same on the clock of OGG, which always counts 48,000 a second.
const FRAME_AT_48_KHZ: u64 = 960;
/// What the encoder looks ahead, on that clock (libopus at 16 kHz): cut off by whoever plays.
const PRE_SKIP: u16 = 312;
/// Bits a second: what phones use for speech.
const BITRATE: i32 = 24_000;
/// Packets of one page: a second.
const PACKETS_OF_A_PAGE: u64 = 50;
/// The bars of a waveform.
const BARS: usize = 64;

const DAMAGED: Unreadable = Unreadable("the sound is damaged or of a format that is not read (WAV, MP3 and M4A are)");

/// A voice note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its length in seconds, rounded up.
    pub seconds: u32,
    /// 64 bars of loudness, 0 to 100.
    pub waveform: Vec<u8>,
}

/// Makes a voice note.
///
/// # Errors
/// [`Unreadable`] when the sound cannot be read, is empty or longer than an hour.
pub fn voice(sound: Bytes) -> Result<Voice, Unreadable> {
    let mut note = Recorder::new()?;
    decode(sound, |samples| note.push(samples))?;
    note.finish()
}

/// Reads sound and gives it out as one channel at [`RATE`].
fn decode(sound: Bytes, mut take: impl FnMut(&[f32]) -> Result<(), Unreadable>) -> Result<(), Unreadable> {
    let source = MediaSourceStream::new(Box::new(Cursor::new(sound)), Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(
            &Hint::new(),
            source,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .map_err(|_| DAMAGED)?;
    let track = format.default_track(TrackType::Audio).ok_or(DAMAGED)?;
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio())
        .ok_or(DAMAGED)?;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|_| DAMAGED)?;
    let track = track.id;
    let mut resampler: Option<(u32, Resampler)> = None;
    let (mut interleaved, mut mono, mut out) = (Vec::<f32>::new(), Vec::new(), Vec::new());
    while let Ok(Some(packet)) = format.next_packet() {
        if packet.track_id != track {
            continue;
        }
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            Err(Error::DecodeError(_) | Error::IoError(_)) => continue,
            Err(_) => return Err(DAMAGED),
        };
        let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
        if channels == 0 || !(4_000..=384_000).contains(&rate) {
            return Err(DAMAGED);
        }
        interleaved.clear();
        decoded.copy_to_vec_interleaved(&mut interleaved);
        mono.clear();
        #[expect(clippy::cast_precision_loss, reason = "a handful of channels")]
        mono.extend(
            interleaved
                .chunks_exact(channels)
                .map(|frame| frame.iter().sum::<f32>() / channels as f32),
        );
        let (_, resampler) = match &mut resampler {
            Some(known) if known.0 == rate => known,
            other => other.insert((rate, Resampler::new(rate))),
        };
        out.clear();
        resampler.push(&mono, &mut out);
        take(&out)?;
    }
    if let Some((_, mut resampler)) = resampler {
        out.clear();
        resampler.finish(&mut out);
        take(&out)?;
    }
    Ok(())
}

/// Encodes and packs one channel at [`RATE`].
struct Recorder {
    encoder: OpusEncoder,
    writer: PacketWriter<'static, Cursor<Vec<u8>>>,
    serial: u32,
    waiting: Vec<f32>,
    /// The packet that is not written yet, because the last one of all is marked.
    held: Option<Vec<u8>>,
    packets: u64,
    samples: usize,
    loudness: Vec<f32>,
}

impl Recorder {
    fn new() -> Result<Self, Unreadable> {
        let mut encoder = OpusEncoder::new(i32::try_from(RATE).map_err(|_| DAMAGED)?, 1, Application::Voip)
            .map_err(|_| Unreadable("the encoder cannot be used"))?;
        encoder.bitrate_bps = BITRATE;
        let mut recorder = Self {
            encoder,
            writer: PacketWriter::new(Cursor::new(Vec::new())),
            serial: rand::random(),
            waiting: Vec::new(),
            held: None,
            packets: 0,
            samples: 0,
            loudness: Vec::new(),
        };
        let mut head = b"OpusHead\x01\x01".to_vec();
        head.extend_from_slice(&PRE_SKIP.to_le_bytes());
        head.extend_from_slice(&RATE.to_le_bytes());
        head.extend_from_slice(&[0, 0, 0]);
        let mut tags = b"OpusTags\x07\0\0\0Rookery".to_vec();
        tags.extend_from_slice(&0_u32.to_le_bytes());
        for packet in [head, tags] {
            recorder.write(packet, PacketWriteEndInfo::EndPage, 0)?;
        }
        Ok(recorder)
    }

    fn write(&mut self, packet: Vec<u8>, end: PacketWriteEndInfo, position: u64) -> Result<(), Unreadable> {
        self.writer
            .write_packet(packet, self.serial, end, position)
            .map_err(|_| Unreadable("the voice note cannot be written"))
    }

    fn push(&mut self, samples: &[f32]) -> Result<(), Unreadable> {
        self.samples += samples.len();
        if self.samples > LONGEST * RATE as usize {
            return Err(Unreadable("a voice note may last an hour at most"));
        }
        self.waiting.extend_from_slice(samples);
        let whole = self.waiting.len() / FRAME * FRAME;
        let frames: Vec<f32> = self.waiting.drain(..whole).collect();
        frames.chunks_exact(FRAME).try_for_each(|frame| self.encode(frame))
    }

    fn encode(&mut self, frame: &[f32]) -> Result<(), Unreadable> {
        #[expect(clippy::cast_precision_loss, reason = "320")]
        let loudness = frame.iter().map(|sample| sample.abs()).sum::<f32>() / FRAME as f32;
        self.loudness.push(loudness);
        let mut packet = vec![0; 1_275];
        let length = self
            .encoder
            .encode(frame, FRAME, &mut packet)
            .map_err(|_| Unreadable("the sound cannot be encoded"))?;
        packet.truncate(length);
        if let Some(earlier) = self.held.replace(packet) {
            self.packets += 1;
            let end = match self.packets % PACKETS_OF_A_PAGE {
                0 => PacketWriteEndInfo::EndPage,
                _ => PacketWriteEndInfo::NormalPacket,
            };
            self.write(earlier, end, self.packets * FRAME_AT_48_KHZ)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Voice, Unreadable> {
        if self.samples == 0 {
            return Err(Unreadable("there is no sound in the file"));
        }
        // The encoder is so far behind: silence pushes out the end.
        let rest = self.waiting.len() + usize::from(PRE_SKIP) / 3;
        self.waiting.resize(rest.div_ceil(FRAME) * FRAME, 0.0);
        let frames = std::mem::take(&mut self.waiting);
        frames.chunks_exact(FRAME).try_for_each(|frame| self.encode(frame))?;
        let position = u64::from(PRE_SKIP) + self.samples as u64 * 3;
        if let Some(last) = self.held.take() {
            self.write(last, PacketWriteEndInfo::EndStream, position)?;
        }
        Ok(Voice {
            seconds: u32::try_from(self.samples.div_ceil(RATE as usize)).unwrap_or(u32::MAX),
            waveform: waveform(&self.loudness),
            bytes: self.writer.into_inner().into_inner(),
        })
    }
}

/// 64 bars, the loudest 100.
fn waveform(loudness: &[f32]) -> Vec<u8> {
    let bars: Vec<f32> = (0..BARS)
        .map(|bar| {
            let (start, end) = (bar * loudness.len() / BARS, (bar + 1) * loudness.len() / BARS);
            let part = loudness.get(start..end.max(start + 1)).unwrap_or_default();
            part.iter().copied().fold(0.0, f32::max)
        })
        .collect();
    let loudest = bars.iter().copied().fold(0.0, f32::max);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 100"
    )]
    bars.into_iter()
        .map(|bar| {
            if loudest > 0.0 {
                (bar / loudest * 100.0).round() as u8
            } else {
                0
            }
        })
        .collect()
}

/// The length in seconds and the waveform of a file that is OGG with Opus already; `None` when it cannot be read.
#[must_use]
pub fn measure(file: &[u8]) -> Option<(u32, Vec<u8>)> {
    let mut reader = ogg::PacketReader::new(Cursor::new(file));
    let head = reader.read_packet().ok()??;
    let pre_skip = u64::from(u16::from_le_bytes(head.data.get(10..12)?.try_into().ok()?));
    reader.read_packet().ok()??;
    let mut decoder = OpusDecoder::new(i32::try_from(RATE).ok()?, 1).ok()?;
    let mut samples = vec![0.0; 6 * FRAME];
    let (mut loudness, mut end) = (Vec::new(), 0);
    while let Ok(Some(packet)) = reader.read_packet() {
        if loudness.len() > LONGEST * 50 {
            return None;
        }
        end = end.max(packet.absgp_page());
        if let Ok(length) = decoder.decode(&packet.data, samples.len(), &mut samples) {
            for frame in samples.get(..length).unwrap_or_default().chunks(FRAME) {
                #[expect(clippy::cast_precision_loss, reason = "320 at most")]
                loudness.push(frame.iter().map(|sample| sample.abs()).sum::<f32>() / frame.len() as f32);
            }
        }
    }
    let seconds = u32::try_from(end.checked_sub(pre_skip)?.div_ceil(48_000)).ok()?;
    Some((seconds, waveform(&loudness)))
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a test")]
mod tests {
    use super::*;

    /// A WAV with a second of silence and two seconds of a tone of 440 Hz, in stereo.
    fn wav(rate: u32) -> Bytes {
        let mut samples = Vec::new();
        for n in 0..3 * rate {
            let loud = if n < rate { 0.0 } else { 12_000.0 };
            let value = loud * (2.0 * std::f64::consts::PI * 440.0 * f64::from(n) / f64::from(rate)).sin();
            samples.extend_from_slice(&(value as i16).to_le_bytes());
            samples.extend_from_slice(&(value as i16).to_le_bytes());
        }
        let length = samples.len() as u32;
        let mut file = b"RIFF".to_vec();
        file.extend_from_slice(&(36 + length).to_le_bytes());
        file.extend_from_slice(b"WAVEfmt ");
        for (value, bytes) in [(16, 4), (1, 2), (2, 2), (rate, 4), (rate * 4, 4), (4, 2), (16, 2)] {
            file.extend_from_slice(&value.to_le_bytes()[..bytes]);
        }
        file.extend_from_slice(b"data");
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(&samples);
        file.into()
    }

    #[test]
    fn a_wav_becomes_ogg_with_opus_that_sounds_the_same() {
        let voice = voice(wav(44_100)).unwrap();
        assert_eq!(voice.seconds, 3);
        assert_eq!(
            crate::media::sniff::mime_type(&voice.bytes, None),
            crate::media::sniff::OPUS
        );
        assert!(
            voice.bytes.len() < 20_000,
            "{} bytes for three seconds",
            voice.bytes.len()
        );
        assert_eq!(voice.waveform.len(), 64);
        assert!(
            voice.waveform[..20].iter().all(|bar| *bar < 5),
            "silence first: {:?}",
            voice.waveform
        );
        assert!(
            voice.waveform[24..].iter().all(|bar| *bar > 80),
            "then the tone: {:?}",
            voice.waveform
        );

        let mut reader = ogg::PacketReader::new(Cursor::new(&voice.bytes));
        let head = reader.read_packet().unwrap().unwrap();
        assert!(head.data.starts_with(b"OpusHead\x01\x01") && head.first_in_stream());
        assert!(reader.read_packet().unwrap().unwrap().data.starts_with(b"OpusTags"));
        let mut decoder = OpusDecoder::new(16_000, 1).unwrap();
        let (mut sound, mut frame, mut last) = (Vec::new(), vec![0.0; FRAME], 0);
        while let Some(packet) = reader.read_packet().unwrap() {
            let length = decoder.decode(&packet.data, FRAME, &mut frame).unwrap();
            sound.extend_from_slice(&frame[..length]);
            if packet.last_in_stream() {
                last = packet.absgp_page();
            }
        }
        assert_eq!(
            last,
            u64::from(PRE_SKIP) + 3 * 48_000,
            "the end is marked to the sample"
        );
        let tone = &sound[24_000..40_000];
        let loudness = (tone.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / tone.len() as f64).sqrt();
        let expected = 12_000.0 / 32_768.0 / 2.0_f64.sqrt();
        assert!(
            (loudness - expected).abs() < 0.3 * expected,
            "{loudness} instead of {expected}"
        );
        let periods = tone.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        assert!((438..=442).contains(&periods), "{periods} periods in a second");

        let (seconds, waveform) = measure(&voice.bytes).unwrap();
        assert_eq!(seconds, 3);
        assert!(
            waveform[..20].iter().all(|bar| *bar < 10) && waveform[26..62].iter().all(|bar| *bar > 60),
            "{waveform:?}"
        );
    }

    #[test]
    fn what_is_no_sound_is_refused() {
        for nonsense in [
            &b""[..],
            b"RIFF\x24\0\0\0WAVE",
            b"OggS",
            b"hello world, this is no sound at all",
        ] {
            assert!(voice(Bytes::copy_from_slice(nonsense)).is_err(), "{nonsense:?}");
            assert_eq!(measure(nonsense), None);
        }
        let cut = wav(8_000).slice(..1_000);
        assert!(voice(cut).is_ok(), "what is there is taken");
    }
}
