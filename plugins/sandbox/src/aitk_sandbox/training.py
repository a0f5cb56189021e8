"""One training run: loading, the loop over steps, saving, sampling and validation."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aitk_sandbox import checkpoints, optimizers, samples
from aitk_sandbox.lossdb import FILE_NAME, LossTable
from aitk_sandbox.model import ADAPTER_GAIN, Network, fit_base, new_adapters
from aitk_sandbox.trainingdata import TrainingData, ValidationData

if TYPE_CHECKING:
    from aitk_sandbox.control import Control
    from aitk_sandbox.jobconfig import TrainPlan
    from aitk_sandbox.model import Array
    from aitk_sandbox.trainlog import Bar, TrainLog

BASE_FILE: Final = "sandbox_denoiser_v1.safetensors"
"""Cache of the base network; the number rises when the fit changes."""


class TrainingRun:
    """A run from its config to its final save."""

    def __init__(
        self, plan: TrainPlan, log: TrainLog, control: Control, *, cache_folder: Path
    ) -> None:
        """Prepare a run.

        Args:
            plan: What the config asks for.
            log: The run's log.
            control: Its row and its requests.
            cache_folder: Where the base network is kept once fitted.
        """
        self._plan = plan
        self._log = log
        self._control = control
        self._cache_folder = cache_folder
        self._folder = plan.job_folder
        self._generator = np.random.default_rng(plan.seed)
        self._optimizer = optimizers.new_optimizer(plan.optimizer, plan.optimizer_params)
        self._start = 0
        self._step_times_s: list[float] = []
        self._bar: Bar | None = None
        self._losses: LossTable | None = None

    def run(self) -> None:
        """Train to the end.

        Raises:
            InterruptedRunError: SIGINT came.
            LeaveRunError: The row asked to leave.
        """
        row = self._control.row
        optimizers.learning_rate(self._plan, 0)
        row.write(info="Loading model")
        self._load_model()
        self._control.check_interrupt()
        self._validation = self._load_validation()
        row.write(info="Loading dataset")
        self._data = TrainingData(self._plan, self._log, self._generator)
        self._control.check_interrupt()
        row.write(info="Training")
        self._first_sample()
        if self._plan.use_ui_logger:
            self._losses = LossTable(self._folder / FILE_NAME)
        # Numbers that overflow are what a diverging run is about; they show in the loss.
        with np.errstate(all="ignore"):
            self._loop()
            self._finish()

    def close(self) -> None:
        """Close the loss table, whatever the state of the run."""
        if self._losses is not None:
            self._losses.close()
            self._losses = None

    def _load_model(self) -> None:
        plan, log = self._plan, self._log
        if plan.model_name.startswith("/") and not Path(plan.model_name).exists():
            raise OSError(
                f'The provided pretrained_model_name_or_path "{plan.model_name}" is neither a valid'
                " local path nor a valid repo id. Please check the parameter."
            )
        log.line(f"Loading the sandbox's denoiser in place of {plan.model_name}")
        base = self._base_network()
        network = new_adapters(base, rank=plan.rank, generator=self._generator)
        self._network = Network(
            base=base,
            adapters=network,
            strength=ADAPTER_GAIN * plan.alpha / plan.rank,
            dtype=plan.dtype,
        )
        log.line(f"create LoRA network. base dim (rank): {plan.rank}, alpha: {plan.alpha:g}")
        log.line("neuron dropout: p=None, rank dropout: p=None, module dropout: p=None")
        log.line("create LoRA for Text Encoder: 0 modules.")
        log.line(f"create LoRA for U-Net: {len(network) // 2} modules.")
        log.line("enable LoRA for U-Net")
        self._resume()

    def _base_network(self) -> dict[str, Array]:
        cached = self._cache_folder / BASE_FILE
        bar = self._log.bar("Loading weights", total=1)
        if cached.exists():
            base = checkpoints.read_arrays(cached)
        else:
            base = dict(fit_base())
            self._cache_folder.mkdir(parents=True, exist_ok=True)
            checkpoints.write_arrays(cached, base, dtype="fp32", metadata={"format": "pt"})
        bar.update(1)
        bar.close()
        return base

    def _resume(self) -> None:
        newest = checkpoints.newest(self._folder, self._plan.name)
        if newest is not None:
            self._log.line(f"#### IMPORTANT RESUMING FROM {newest} ####")
            self._log.line(f"Loading from {newest}")
            stored = checkpoints.load_weights(newest)
            self._network.adapters = stored.adapters
            self._log.line("Missing keys: []")
            if stored.step is not None:
                self._start = stored.step
                self._log.line(f"Found step {self._start} in metadata, starting from there")
            state = self._folder / "optimizer.pt"
            if state.exists():
                self._log.line(f"Loading optimizer state from {state}")
                checkpoints.load_optimizer(state, self._optimizer)
                self._log.line("Updating optimizer LR from params")
        if self._plan.start_step is not None:
            self._start = self._plan.start_step
        self._control.saved_step = self._start

    def _load_validation(self) -> ValidationData | None:
        if self._plan.validation is None:
            return None
        count = len(self._plan.validation.items)
        self._log.line(f"Caching validation latents and embeddings for {count} images")
        return ValidationData(self._plan.validation)

    def _first_sample(self) -> None:
        plan = self._plan
        if plan.skip_first_sample or plan.disable_sampling:
            self._log.line("Skipping first sample due to config setting")
        elif self._start <= 1 or plan.force_first_sample:
            self._log.line("Generating baseline samples before training")
            self._sample(self._start)

    def _loop(self) -> None:
        plan = self._plan
        bar = self._log.bar(plan.name, total=plan.steps, initial=self._start)
        self._bar = bar
        for index in range(self._start, plan.steps):
            began_s = time.monotonic()
            self._validate(index)
            lr = optimizers.learning_rate(plan, index)
            loss = self._train_step(lr)
            self._control.wait(plan.step_delay_s)
            self._step_times_s.append(time.monotonic() - began_s)
            bar.postfix(f"lr: {lr:.1e} loss: {loss:.3e}")
            self._note(index, loss=loss, lr=lr)
            if index != self._start:
                self._periodic(index)
            self._report_speed(index)
            bar.update(1)
            self._control.row.write(step=index + 1)
            self._serve_requests(index + 1)
        bar.close()

    def _train_step(self, lr: float) -> float:
        total: dict[str, Array] = {}
        losses: list[float] = []
        for _ in range(self._plan.gradient_accumulation):
            loss, gradients = self._network.loss_and_gradients(self._data.batch())
            if not math.isfinite(loss):
                # The real trainer replaces such a loss by zero and goes on.
                self._log.line("loss is nan")
                loss = 0.0
                gradients = {name: np.zeros_like(value) for name, value in gradients.items()}
            losses.append(loss)
            for name, value in gradients.items():
                share = value / np.float32(self._plan.gradient_accumulation)
                total[name] = total[name] + share if name in total else share
        optimizers.clip_gradients(total, max_norm=self._plan.max_grad_norm)
        self._optimizer.step(self._network.adapters, total, lr=lr)
        mean = sum(losses) / len(losses)
        return mean if self._plan.max_loss is None else min(mean, self._plan.max_loss)

    def _validate(self, index: int) -> None:
        if self._validation is None or self._losses is None:
            return
        if index % self._validation.every == 0:
            value = self._validation.loss(self._network)
            self._losses.note("val/loss", value if math.isfinite(value) else 0.0)

    def _note(self, index: int, *, loss: float, lr: float) -> None:
        if self._losses is None:
            return
        self._losses.note("loss/loss", loss)
        self._losses.note("learning_rate", lr)
        if index == self._start:
            # The first step of a run is not logged; a validation value waits for the next.
            self._losses.forget("loss/loss", "learning_rate")
        elif self._plan.log_every > 0 and index % self._plan.log_every == 0:
            self._losses.commit(index)

    def _periodic(self, index: int) -> None:
        save, sample = self._plan.save, self._plan.sample
        if save.every and index % save.every == 0:
            self._log.line(f"\nSaving at step {index}")
            self._save(index)
        due = sample.every and index % sample.every == 0 and index >= sample.start_step
        if due and not self._plan.disable_sampling:
            self._sample(index)

    def _report_speed(self, index: int) -> None:
        every = self._plan.performance_log_every
        if not every or index == self._start or index % every:
            return
        mean_s = sum(self._step_times_s) / len(self._step_times_s)
        self._step_times_s.clear()
        speed = f"{1 / mean_s:.2f} iter/sec" if mean_s < 1 else f"{mean_s:.2f} sec/iter"
        self._control.row.write(speed_string=speed)

    def _serve_requests(self, done: int) -> None:
        row = self._control.requests()
        if row.get("save_now"):
            self._control.row.write(save_now=False)
            self._log.line(f"\nSaving at step {done}")
            self._save(done)
        if row.get("sample_now"):
            self._control.row.write(sample_now=False)
            self._log.line(f"\nSampling at step {done}")
            self._sample(done)

    def _save(self, step: int, *, final: bool = False) -> None:
        plan, row = self._plan, self._control.row
        row.write(info="Saving model")
        self._pause(paused=True)
        name = plan.name if final else f"{plan.name}_{step:09d}"
        target = self._folder / f"{name}.safetensors"
        checkpoints.save_weights(
            target,
            self._network.adapters,
            alpha=plan.alpha,
            dtype=plan.save.dtype,
            metadata=checkpoints.weights_metadata(
                name=plan.name, step=step, epoch=self._data.epoch, training=self._hyperparameters()
            ),
        )
        self._log.line(f"Saved checkpoint to {target}")
        if not final:
            for removed in checkpoints.prune(self._folder, plan.name, keep=plan.save.keep):
                self._log.line(f"Removing old save: {removed}")
        state = self._folder / "optimizer.pt"
        checkpoints.save_optimizer(state, self._optimizer)
        self._log.line(f"Saved optimizer to {state}")
        self._control.saved_step = step
        self._pause(paused=False)
        row.write(info="Training")

    def _hyperparameters(self) -> dict[str, Any]:
        plan = self._plan
        return {
            "ss_network_dim": plan.rank,
            "ss_network_alpha": f"{plan.alpha:g}",
            "ss_learning_rate": plan.lr,
            "ss_optimizer": plan.optimizer,
        }

    def _sample(self, step: int) -> None:
        plan, row = self._plan.sample, self._control.row
        count = len(plan.prompts)
        if not count:
            return
        self._pause(paused=True)
        row.write(info=f"Generating images - 0/{count}")
        bar = self._log.bar("Generating Images", total=count, leave=False)
        with np.errstate(all="ignore"):
            for index in range(count):
                self._control.check_interrupt()
                image = samples.draw_sample(self._network, plan, index)
                samples.write_sample(
                    image, self._folder / "samples", step=step, index=index, ending=plan.format
                )
                bar.update(1)
                row.write(info=f"Generating images - {index + 1}/{count}")
        bar.close()
        self._log.line()
        self._pause(paused=False)
        row.write(info="Training")

    def _pause(self, *, paused: bool) -> None:
        if self._bar is not None:
            (self._bar.pause if paused else self._bar.resume)()

    def _finish(self) -> None:
        plan = self._plan
        if self._losses is not None:
            self._losses.flush()
        step = max(plan.steps, self._start)
        self._save(step, final=True)
        if not plan.disable_sampling:
            self._sample(step)
        self._log.line()
        self._control.row.write(status="completed", info="Training completed", step=step)
