import { describe, expect, it } from 'vitest';
import { layerNameOf } from '../../src/flow/layer-names.ts';

describe('layer names', () => {
  it.each([
    ['hidden.0.weight', 'hidden.0'],
    ['hidden.0.bias', 'hidden.0'],
    ['layer4.1.bn2.weight', 'layer4.1.bn2'],
    ['encoder.layers.0.self_attn.in_proj_weight', 'encoder.layers.0.self_attn.in_proj'],
    ['encoder.layers.0.self_attn.in_proj_bias', 'encoder.layers.0.self_attn.in_proj'],
    ['encoder.layers.0.self_attn.out_proj.weight', 'encoder.layers.0.self_attn.out_proj'],
    ['rnn.weight_ih_l0', 'rnn.l0'],
    ['rnn.bias_hh_l1_reverse', 'rnn.l1'],
    ['gpu_0/conv1_w_0', 'gpu_0/conv1'],
    ['gpu_0/res_conv1_bn_b_0', 'gpu_0/res_conv1_bn'],
    ['dense_1/kernel', 'dense_1'],
    ['dense_1/kernel:0', 'dense_1'],
    ['sequential/dense/MatMul/ReadVariableOp:0', 'sequential/dense'],
    ['sequential/dense/BiasAdd/ReadVariableOp:0', 'sequential/dense'],
    ['class_token', 'class_token'],
    ['encoder.pos_embedding', 'encoder.pos_embedding'],
    ['weight', 'weight'],
    ['W1', 'W1'],
    ['conv1.w', 'conv1'],
  ])('%s belongs to %s', (parameter, layer) => {
    expect(layerNameOf(parameter, '/somewhere/Gemm')).toBe(layer);
  });

  it.each([
    ['onnx::MatMul_12', '/encoder/layers/layers.0/linear1/MatMul', 'encoder.layers.0.linear1'],
    ['onnx::Conv_99', '/features/features.1/Conv', 'features.1'],
    ['onnx::MatMul_12', 'MatMul_7', 'MatMul_7'],
    ['val_3', '', 'val_3'],
  ])('%s read by %s belongs to %s', (parameter, node, layer) => {
    expect(layerNameOf(parameter, node)).toBe(layer);
  });
});
