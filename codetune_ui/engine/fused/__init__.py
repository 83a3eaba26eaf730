"""Training a frozen base and its LoRA adapter by hand: forward and backward without autograd.

What plain PEFT pays for on a big GPU is memory traffic: a LoRA layer reads and writes the output
of its base layer several times, autocast copies activations, every norm and activation is a pass
of its own, and the logits of a whole batch lie there in fp32. Here

- the adapter is added to the base's weight when that is unpacked from 4 bit (`linear`), once for
  all tokens of a pass: the products of a layer are then plain ones;
- each norm, activation, rotation and the loss is one pass over its data (`triton_ops`), with its
  plain definition beside it (`torch_ops`), which also serves the CPU;
- examples of a packed row attend to themselves alone (`attention`);
- what a layer keeps for its backward pass is chosen per layer (`block`).

The gradients land in the PEFT model's own parameters: what is saved is a plain PEFT adapter.

The same parts also write text (`decode`): base and adapters in one batch, a CUDA graph per token.
"""
