"""The optimisers: fused AdamW, or Muon for the matrices inside the blocks; and the learning rate over a run.

Muon: Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024). torch.optim.Muon treats one
matrix at a time; here matrices of one shape are orthogonalised together, and queries, keys and values as the three
matrices that they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from calcgpt.training.config import TrainingConfig

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # coefficients of Jordan et al.


class Muon(torch.optim.Optimizer):
    """Muon on `matrices`, and AdamW, in the same step, on `rest`.

    Args:
        matrices: parameters of two axes; one that is three times as wide as high is taken as three.
        rest: AdamW's parameter groups.
        lr: Muon's learning rate; AdamW's groups bring their own.
        momentum: of Nesterov's kind.
        weight_decay: decoupled, of the matrices.
        betas: AdamW's.
    """

    def __init__(
        self,
        matrices: list[nn.Parameter],
        rest: list[dict[str, Any]],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.95),
    ):
        super().__init__([{"params": matrices}], {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.adamw = torch.optim.AdamW(rest, betas=betas, fused=True)
        # One list, so that a schedule sets both learning rates alike.
        self.param_groups.extend(self.adamw.param_groups)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.adamw.step()
        group = self.param_groups[0]
        matrices = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not matrices:
            return
        gradients = [parameter.grad for parameter in matrices]
        for parameter in matrices:
            if not self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
        momenta = [self.state[parameter]["momentum"] for parameter in matrices]
        torch._foreach_mul_(momenta, group["momentum"])
        torch._foreach_add_(momenta, gradients)
        updates = torch._foreach_add(gradients, momenta, alpha=group["momentum"])
        if group["weight_decay"]:
            torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
        pieces = [
            pair
            for matrix, update in zip(matrices, updates, strict=True)
            for pair in zip(_split(matrix), _split(update), strict=True)
        ]
        self._apply(pieces, group["lr"])

    def state_dict(self) -> dict[str, Any]:
        """Both optimisers' states."""
        return {"muon": super().state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        super().load_state_dict(state_dict["muon"])
        self.adamw.load_state_dict(state_dict["adamw"])
        self.param_groups[1:] = self.adamw.param_groups  # shared, so that a schedule sets both

    @staticmethod
    def _apply(pieces: list[tuple[Tensor, Tensor]], lr: float) -> None:
        by_shape: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = {}
        for piece, update in pieces:
            by_shape.setdefault(tuple(sorted(piece.shape)), []).append((piece, update))
        for group in by_shape.values():
            wide = [update if update.shape[0] <= update.shape[1] else update.T for _, update in group]
            for (piece, _), update in zip(group, orthogonalize(torch.stack(wide)), strict=True):
                update = update if piece.shape[0] <= piece.shape[1] else update.T
                # Stored (in, out): a matrix with more outputs than inputs takes a larger step.
                piece.add_(update, alpha=-lr * math.sqrt(max(1.0, piece.shape[1] / piece.shape[0])))


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """Bring the singular values of each matrix near 1 by a Newton-Schulz iteration: (M, R, C), R <= C, -> (M, R, C)."""
    a, b, c = _NEWTON_SCHULZ
    x = matrices / (matrices.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(steps):
        square = torch.bmm(x, x.transpose(1, 2))
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x


def _split(matrix: Tensor) -> tuple[Tensor, ...]:
    height, width = matrix.shape
    return matrix.split(height, 1) if width == 3 * height else (matrix,)


def build_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimiser that a config asks for; weight decay falls on matrices, never on biases, norms or embeddings."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (matrices if parameter.ndim == 2 and name.startswith("h.") else others).append(parameter)
    betas = (0.9, config.adam_beta2)
    rest = [{"params": others, "lr": config.learning_rate, "weight_decay": 0.0}]
    if config.optimizer == "muon":
        return Muon(matrices, rest, config.muon_learning_rate, weight_decay=config.weight_decay, betas=betas)
    first = {"params": matrices, "lr": config.learning_rate, "weight_decay": config.weight_decay}
    return torch.optim.AdamW([first, *rest], betas=betas, fused=True)


def build_schedule(config: TrainingConfig, total_steps: int | None) -> Callable[[int], float]:
    """The factor on every learning rate at a step, counted from 0: warm-up, then the configured fall to 0."""
    known = total_steps is not None  # a run with a time limit alone does not know its end, and stays
    total = total_steps or 0
    warmup = min(config.warmup_steps, total // 2) if known else config.warmup_steps

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        passed = (step - warmup) / max(1, total - warmup)
        if not known or config.schedule == "constant":
            return 1.0
        if config.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * passed))
        return (1.0 - passed) ** (2 if config.schedule == "quadratic" else 1)

    return factor
