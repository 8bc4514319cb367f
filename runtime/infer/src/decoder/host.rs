//! On the processor, with kernels of our own.

use super::weights::{Keep, Layer, Projection, Weights};
use super::{Slice, missing_page};
use crate::cpu::activation::{Activations, Form};
use crate::cpu::attention::{AttentionShape, Span, attend};
use crate::cpu::elementwise::{Angles, add, add_bias, gate, gate_halves, rms_norm, rotate};
use crate::cpu::matrix::Matrix;
use crate::cpu::team::Team;
use crate::error::InferError;
use crate::file::ModelFile;
use crate::kv::{PAGE, Page};
use crate::pages::HostPages;
use crate::spec::Spec;

/// A model in the processor's memory.
#[derive(Debug)]
pub(super) struct OnHost {
    spec: Spec,
    team: Team,
    weights: Weights<Team>,
}

impl Keep for Team {
    type Matrix = Matrix;
    type Vector = Vec<f32>;

    fn matrix(
        &self,
        file: &ModelFile,
        name: &str,
        shape: (usize, usize),
    ) -> Result<Matrix, InferError> {
        file.matrix(self, name, shape)
    }

    fn vector(&self, numbers: Vec<f32>) -> Result<Vec<f32>, InferError> {
        Ok(numbers)
    }

    fn bytes(matrix: &Matrix) -> usize {
        matrix.bytes()
    }
}

/// A page that is being written: its number, itself, and which of its slots takes which row.
type Written = (usize, Page, Vec<(usize, usize)>);

/// Room for what lies between layers, used again and again.
#[derive(Debug, Default)]
struct Room {
    hidden: Vec<f32>,
    normed: Vec<f32>,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    attended: Vec<f32>,
    gates: Vec<f32>,
    ups: Vec<f32>,
    out: Vec<f32>,
}

impl OnHost {
    pub(super) fn load(file: &ModelFile, spec: Spec, team: Team) -> Result<Self, InferError> {
        let weights = Weights::load(&team, file, &spec)?;
        Ok(Self {
            spec,
            team,
            weights,
        })
    }

    pub(super) fn spec(&self) -> &Spec {
        &self.spec
    }

    pub(super) fn threads(&self) -> usize {
        self.team.threads()
    }

    pub(super) fn bytes(&self) -> usize {
        self.weights.bytes()
    }

    pub(super) fn run(
        &self,
        slices: &[Slice<'_>],
        pages: &mut HostPages,
    ) -> Result<Vec<f32>, InferError> {
        let rows: usize = slices.iter().map(|slice| slice.tokens.len()).sum();
        let mut room = Room::default();
        self.embed(slices, &mut room.hidden)?;
        let positions: Vec<usize> = slices
            .iter()
            .flat_map(|slice| slice.position..slice.position + slice.tokens.len())
            .collect();
        let rope = &self.spec.rope;
        let angles = Angles::new(&positions, &rope.frequencies, rope.magnitude);
        let window_angles = self
            .spec
            .window_rope
            .as_ref()
            .map(|rope| Angles::new(&positions, &rope.frequencies, rope.magnitude));
        for (number, layer) in self.weights.layers.iter().enumerate() {
            let angles = match &window_angles {
                Some(window) if self.spec.windowed(number) => window,
                _ => &angles,
            };
            self.attention(number, layer, slices, angles, pages, &mut room, rows)?;
            self.feed_forward(layer, &mut room, rows)?;
        }
        self.logits(slices, &room.hidden)
    }

    fn embed(&self, slices: &[Slice<'_>], hidden: &mut Vec<f32>) -> Result<(), InferError> {
        let width = self.spec.hidden;
        let tokens = slices.iter().flat_map(|slice| slice.tokens);
        for token in tokens {
            let from = hidden.len();
            hidden.resize(from + width, 0.0);
            let row = hidden.get_mut(from..).unwrap_or_default();
            self.weights.embeddings.row(*token as usize, row)?;
        }
        if self.spec.embedding_scale != 1.0 {
            let scale = self.spec.embedding_scale;
            hidden.iter_mut().for_each(|x| *x *= scale);
        }
        Ok(())
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the parts of one layer; a struct of them would be made once and taken apart once"
    )]
    fn attention(
        &self,
        number: usize,
        layer: &Layer<Team>,
        slices: &[Slice<'_>],
        angles: &Angles,
        pages: &mut HostPages,
        room: &mut Room,
        rows: usize,
    ) -> Result<(), InferError> {
        let (spec, team) = (&self.spec, &self.team);
        self.norm_into(&room.hidden, &layer.attention_norm, &mut room.normed);
        self.project(&layer.projection, room, rows)?;
        if let Some((queries, keys)) = &layer.head_norms {
            rms_norm(team, &mut room.queries, queries, spec.epsilon);
            rms_norm(team, &mut room.keys, keys, spec.epsilon);
        }
        if spec.rope_of(number).is_some() {
            rotate(
                team,
                &mut room.queries,
                spec.heads,
                spec.head,
                angles,
                spec.pairs,
            );
            rotate(
                team,
                &mut room.keys,
                spec.kv_heads,
                spec.head,
                angles,
                spec.pairs,
            );
        }
        self.remember(number, slices, pages, &room.keys, &room.values)?;
        let shape = AttentionShape {
            heads: spec.heads,
            kv_heads: spec.kv_heads,
            head: spec.head,
            scale: spec.attention_scale,
            window: spec.window.filter(|_| spec.windowed(number)),
        };
        room.attended.resize(rows * spec.heads * spec.head, 0.0);
        let of_slices = slices
            .iter()
            .map(|slice| {
                let pages = slice
                    .pages
                    .iter()
                    .map(|page| pages.get(*page).ok_or_else(missing_page));
                pages.collect::<Result<Vec<&Page>, _>>()
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut row = 0;
        let mut spans = Vec::with_capacity(slices.len());
        for (slice, pages) in slices.iter().zip(&of_slices) {
            spans.push(Span {
                row,
                count: slice.tokens.len(),
                position: slice.position,
                pages,
            });
            row += slice.tokens.len();
        }
        attend(
            team,
            shape,
            number,
            &spans,
            &room.queries,
            &mut room.attended,
        );
        self.product(&layer.attention_output, &room.attended, &mut room.out, rows)?;
        if let Some(norm) = &layer.after_attention {
            rms_norm(team, &mut room.out, norm, spec.epsilon);
        }
        add(team, &mut room.hidden, &room.out);
        Ok(())
    }

    /// Queries, keys and values of a layer's input.
    fn project(
        &self,
        projection: &Projection<Team>,
        room: &mut Room,
        rows: usize,
    ) -> Result<(), InferError> {
        let (spec, team) = (&self.spec, &self.team);
        let Room {
            normed,
            queries,
            keys,
            values,
            ..
        } = room;
        let forms: Vec<Form> = match projection {
            Projection::Apart { matrices, .. } => matrices.iter().map(Matrix::form).collect(),
            Projection::Together(matrix) => vec![matrix.form()],
        };
        let inputs = Activations::new(team, normed, spec.hidden, &forms);
        let (wide, narrow) = (spec.heads * spec.head, spec.kv_heads * spec.head);
        queries.resize(rows * wide, 0.0);
        keys.resize(rows * narrow, 0.0);
        values.resize(rows * narrow, 0.0);
        match projection {
            Projection::Apart { matrices, biases } => {
                let outs = [queries, keys, values];
                let mut biases = biases.iter().flat_map(|biases| biases.iter());
                for (matrix, out) in matrices.iter().zip(outs) {
                    matrix.multiply(team, &inputs, out)?;
                    if let Some(bias) = biases.next() {
                        add_bias(team, out, bias);
                    }
                }
            }
            Projection::Together(matrix) => {
                let mut all = vec![0.0; rows * matrix.n()];
                matrix.multiply(team, &inputs, &mut all)?;
                let outs = queries
                    .chunks_exact_mut(wide)
                    .zip(keys.chunks_exact_mut(narrow))
                    .zip(values.chunks_exact_mut(narrow));
                for (row, ((queries, keys), values)) in all.chunks_exact(matrix.n()).zip(outs) {
                    let (first, rest) = row.split_at(wide);
                    let (second, third) = rest.split_at(narrow);
                    queries.copy_from_slice(first);
                    keys.copy_from_slice(second);
                    values.copy_from_slice(third);
                }
            }
        }
        Ok(())
    }

    /// Writes keys and values into their pages.
    fn remember(
        &self,
        layer: usize,
        slices: &[Slice<'_>],
        pages: &mut HostPages,
        keys: &[f32],
        values: &[f32],
    ) -> Result<(), InferError> {
        let width = self.spec.kv_heads * self.spec.head;
        // Each page that is written is taken out, so that threads can each have some.
        let mut taken: Vec<Written> = Vec::new();
        let mut row = 0;
        let mut lost = false;
        for slice in slices {
            for index in 0..slice.tokens.len() {
                let position = slice.position + index;
                let number = slice.pages.get(position / PAGE).copied();
                let number = number.ok_or_else(missing_page)?;
                if taken.last().is_none_or(|(last, _, _)| *last != number) {
                    match pages.take(number) {
                        Some(page) => taken.push((number, page, Vec::new())),
                        None => {
                            lost = true;
                            break;
                        }
                    }
                }
                if let Some((_, _, rows)) = taken.last_mut() {
                    rows.push((position % PAGE, row + index));
                }
            }
            row += slice.tokens.len();
        }
        self.team.chunks(&mut taken, 1, |_, taken| {
            for (_, page, rows) in taken {
                for (slot, row) in rows.iter() {
                    let of_row = row * width..(row + 1) * width;
                    let keys = keys.get(of_row.clone()).unwrap_or_default();
                    page.write(layer, *slot, keys, values.get(of_row).unwrap_or_default());
                }
            }
        });
        for (number, page, _) in taken {
            pages.put(number, page);
        }
        if lost { Err(missing_page()) } else { Ok(()) }
    }

    fn feed_forward(
        &self,
        layer: &Layer<Team>,
        room: &mut Room,
        rows: usize,
    ) -> Result<(), InferError> {
        let (spec, team) = (&self.spec, &self.team);
        self.norm_into(&room.hidden, &layer.feed_forward_norm, &mut room.normed);
        let width = spec.feed_forward;
        match &layer.gate {
            Some(gates) => {
                let forms = [gates.form(), layer.up.form()];
                let inputs = Activations::new(team, &room.normed, spec.hidden, &forms);
                room.gates.resize(rows * width, 0.0);
                room.ups.resize(rows * width, 0.0);
                gates.multiply(team, &inputs, &mut room.gates)?;
                layer.up.multiply(team, &inputs, &mut room.ups)?;
                gate(team, spec.gate, &mut room.gates, &room.ups);
            }
            None => {
                let inputs = Activations::new(team, &room.normed, spec.hidden, &[layer.up.form()]);
                room.ups.resize(rows * width * 2, 0.0);
                room.gates.resize(rows * width, 0.0);
                layer.up.multiply(team, &inputs, &mut room.ups)?;
                gate_halves(team, spec.gate, &room.ups, &mut room.gates, width);
            }
        }
        self.product(&layer.down, &room.gates, &mut room.out, rows)?;
        if let Some(norm) = &layer.after_feed_forward {
            rms_norm(team, &mut room.out, norm, spec.epsilon);
        }
        add(team, &mut room.hidden, &room.out);
        Ok(())
    }

    fn logits(&self, slices: &[Slice<'_>], hidden: &[f32]) -> Result<Vec<f32>, InferError> {
        let width = self.spec.hidden;
        let mut wanted = Vec::new();
        let mut row = 0;
        for slice in slices {
            let count = slice.tokens.len();
            let first = count - slice.logits.min(count);
            let rows = (row + first) * width..(row + count) * width;
            wanted.extend_from_slice(hidden.get(rows).unwrap_or_default());
            row += count;
        }
        rms_norm(
            &self.team,
            &mut wanted,
            &self.weights.norm,
            self.spec.epsilon,
        );
        let rows = wanted.len().checked_div(width).unwrap_or_default();
        let mut logits = Vec::new();
        if rows > 0 {
            self.product(self.weights.output(), &wanted, &mut logits, rows)?;
        }
        Ok(logits)
    }

    fn norm_into(&self, x: &[f32], weight: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.extend_from_slice(x);
        rms_norm(&self.team, out, weight, self.spec.epsilon);
    }

    fn product(
        &self,
        matrix: &Matrix,
        inputs: &[f32],
        out: &mut Vec<f32>,
        rows: usize,
    ) -> Result<(), InferError> {
        let inputs = Activations::new(&self.team, inputs, matrix.k(), &[matrix.form()]);
        out.resize(rows * matrix.n(), 0.0);
        matrix.multiply(&self.team, &inputs, out)
    }
}
