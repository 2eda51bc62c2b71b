/** The optimizers this project knows, with PyTorch's default learning rates (Lion: Chen et al. 2023). */
export const optimizers: Record<string, { readonly learningRate: number }> = {
  sgd: { learningRate: 0.01 },
  momentum: { learningRate: 0.01 },
  nesterov: { learningRate: 0.01 },
  adam: { learningRate: 0.001 },
  adamw: { learningRate: 0.001 },
  rmsprop: { learningRate: 0.01 },
  adagrad: { learningRate: 0.01 },
  lion: { learningRate: 0.0001 },
};
