/** How gradients are clipped before the optimizer sees them. */
export type Clipping =
  | { readonly kind: 'norm'; readonly maximum: number; readonly order?: 2 | 'infinity' }
  | { readonly kind: 'value'; readonly maximum: number }
  | {
      readonly kind: 'adaptive';
      readonly factor: number;
      readonly epsilon?: number;
      readonly exclude?: readonly string[];
    };
