"""Rows 1 to 26: what goes wrong with a run, its process, its files and its machine."""

from __future__ import annotations

from tests.faults.fault import Fault
from tests.faults.fault import caused_in as _in

ROWS = (
    Fault(
        1,
        "the worker is killed (SIGKILL) in a step",
        "the run is *lost* as soon as its lock is free; a resume loses one save interval at most "
        "and gives the curve of an undisturbed run",
        _in("faults/test_training", "test_a_run_killed_again_and_again_is_the_same_run_to_the_bit")
        + _in(
            "engine/test_worker",
            "test_a_stopped_run_is_resumed_to_its_end_and_a_killed_one_is_lost",
        )
        + _in("engine/test_train", "test_resume_is_the_same_run_to_the_bit")
        + _in("browser/test_stories", "test_a_killed_worker_is_lost_and_can_be_resumed"),
    ),
    Fault(
        2,
        "it is killed while it saves",
        "what was half written is removed at the next start; the checkpoint before it is used",
        _in("faults/test_training", "test_a_run_killed_again_and_again_is_the_same_run_to_the_bit")
        + _in(
            "engine/test_checkpoint", "test_a_half_written_checkpoint_is_not_seen_and_is_cleared"
        ),
    ),
    Fault(
        3,
        "the newest checkpoint is cut, empty, has a flipped bit or NaN",
        "the newest good one is used, and it is said which was passed over and why",
        _in(
            "faults/test_training",
            "test_a_damaged_checkpoint_is_passed_over_by_the_resume_that_says_so",
        )
        + _in(
            "engine/test_checkpoint",
            "test_weights_that_are_not_numbers_are_passed_over_although_every_hash_is_right",
            "test_nothing_is_deleted_for_a_checkpoint_that_cannot_be_read_back",
        )
        + _in(
            "engine/test_checkpoint",
            "test_a_harmed_checkpoint_is_passed_over_with_a_reason",
            "test_an_adapter_with_nan_is_never_written",
        )
        + _in("engine/test_train", "test_a_damaged_best_adapter_is_not_published"),
    ),
    Fault(
        4,
        "optimizer, scheduler or random state is missing",
        "such a checkpoint does not count: no resume that silently differs; going on with its "
        "weights alone is offered by name",
        _in(
            "faults/test_training",
            "test_a_damaged_checkpoint_is_passed_over_by_the_resume_that_says_so",
            "test_weights_without_an_optimizer_are_gone_on_with_only_when_it_is_said",
        )
        + _in("engine/test_checkpoint", "test_a_checkpoint_without_an_optimizer_does_not_count"),
    ),
    Fault(
        5,
        "settings, data or base model have changed since the checkpoint",
        "refused, with what differs",
        _in("engine/test_resume", "test_a_base_that_was_exchanged_is_refused_by_name")
        + _in(
            "engine/test_checkpoint",
            "test_a_run_from_before_a_setting_was_added_goes_on_from_its_checkpoint",
            "test_settings_that_changed_since_a_checkpoint_are_named",
        )
        + _in("engine/test_prepare", "test_code_that_changed_between_two_attempts_is_told"),
    ),
    Fault(
        6,
        "the disk is full while saving, logging or exporting",
        "the run waits, with a sentence and the bytes needed, and goes on by itself when there is "
        "space; stopped meanwhile, it ends with its last good checkpoint, nothing half written",
        _in(
            "faults/test_training",
            "test_a_full_disk_in_the_midst_of_a_save_is_waited_for",
            "test_who_stops_a_run_that_waits_for_its_disk_keeps_the_last_good_checkpoint",
            "test_a_disk_that_is_full_between_two_saves_costs_no_event",
        )
        + _in("engine/test_checkpoint", "test_a_full_disk_is_said_before_anything_is_written")
        + _in("engine/test_export", "test_a_full_disk_is_said_before_anything_is_written"),
    ),
    Fault(
        7,
        "too little disk at the start",
        "refused before the first step, with the sum",
        _in("faults/test_training", "test_too_little_disk_is_said_before_the_first_step")
        + _in("engine/test_hub", "test_a_model_that_the_disk_cannot_take_is_refused_with_the_sum"),
    ),
    Fault(
        8,
        "out of memory while a pace is chosen",
        "fewer rows per pass, the same rows per step; the choice is said",
        _in(
            "engine/test_pace",
            "test_a_step_that_does_not_fit_is_made_again_in_a_smaller_way",
            "test_each_smaller_way_needs_a_fifth_less_than_the_last",
        ),
    ),
    Fault(
        9,
        "out of memory in the middle of a run",
        "the fused engine makes the step again in a smaller way; else the model is loaded anew and "
        "goes on from the last checkpoint in smaller passes; else the run ends with advice",
        _in(
            "faults/test_training",
            "test_out_of_memory_goes_on_from_the_last_checkpoint_in_smaller_passes",
            "test_where_nothing_is_smaller_the_run_ends_with_advice_and_can_be_resumed",
        )
        + _in(
            "engine/test_train",
            "test_a_run_goes_on_without_holes_when_the_memory_does_not_suffice_for_them",
        )
        + _in("engine/test_pace", "test_a_step_that_does_not_fit_is_made_again_in_a_smaller_way"),
        "It is begun again in the same process, not in a fresh one.",
    ),
    Fault(
        10,
        "loss or gradient is not a number",
        "up to three such steps in a row are left out, and said; then the run ends; it never "
        "reaches the weights and is never saved; the plot shows a gap, never 0",
        _in(
            "faults/test_training",
            "test_a_gradient_that_is_not_a_number_is_left_out_and_the_run_goes_on",
            "test_gradients_that_stay_no_numbers_end_the_run_before_they_reach_the_weights",
        )
        + _in("engine/test_train", "test_a_loss_that_is_not_a_number_ends_the_run_unsaved")
        + _in(
            "engine/test_callbacks",
            "test_the_meter_tells_a_loss_that_is_not_a_number",
            "test_a_step_that_is_left_out_does_not_count",
        )
        + _in("runs/test_events", "test_not_a_number_is_written_as_null")
        + _in("ui/test_view", "test_thinning_keeps_the_spike_the_end_and_what_is_not_a_number"),
    ),
    Fault(
        11,
        "the loss explodes but stays a number",
        "a warning; the run goes on",
        _in(
            "engine/test_callbacks",
            "test_a_loss_that_stays_three_times_as_high_is_said_once",
            "test_a_spike_is_no_height",
        ),
    ),
    Fault(
        12,
        "SIGTERM, Ctrl-C, logout",
        "the step is finished, a checkpoint is saved, the run is *stopped*",
        _in(
            "faults/test_training",
            "test_a_signal_finishes_the_step_and_saves_and_a_second_one_ends_at_once",
        )
        + _in("test_app", "test_ctrl_c_stops_and_saves")
        + _in("engine/test_train", "test_a_wish_to_stop_ends_after_the_step_with_a_checkpoint"),
    ),
    Fault(
        13,
        "a second signal",
        "it ends at once; what holds for a kill holds here",
        _in(
            "faults/test_training",
            "test_a_signal_finishes_the_step_and_saves_and_a_second_one_ends_at_once",
        ),
    ),
    Fault(
        14,
        "the page is killed or restarted",
        "the training goes on; the page shows it again with its whole history; stop works",
        _in(
            "faults/test_processes",
            "test_a_killed_page_finds_the_run_again_with_its_history_and_can_stop_it",
        )
        + _in("browser/test_stories", "test_a_restart_of_the_app_goes_on_where_it_was"),
    ),
    Fault(
        15,
        "the tab is closed, the lid is shut, nobody reads for a day",
        "the training is not held up: it writes to files, never to a pipe",
        _in("browser/test_stories", "test_a_closed_tab_does_not_end_the_run")
        + _in("runs/test_process", "test_a_worker_gets_the_home_and_no_terminal"),
    ),
    Fault(
        16,
        "a reboot, a pid that is used again",
        "the run is *lost*; a stranger with its pid is never signalled",
        _in(
            "faults/test_processes",
            "test_after_a_reboot_a_run_is_lost_and_who_has_its_pid_now_is_left_alone",
        )
        + _in(
            "runs/test_state",
            "test_a_reused_pid_is_not_the_worker",
            "test_a_pid_from_before_a_reboot_is_not_the_worker",
        )
        + _in(
            "runs/test_process",
            "test_a_stranger_with_the_workers_pid_is_never_signalled",
            "test_a_run_whose_lock_is_free_is_never_signalled",
        )
        + _in("runs/test_lease", "test_a_killed_holder_leaves_a_note_that_nobody_believes"),
    ),
    Fault(
        17,
        "a zombie",
        "it counts as dead and is waited for",
        _in("runs/test_state", "test_a_zombie_counts_as_dead")
        + _in("runs/test_process", "test_an_ended_worker_of_ours_is_not_left_a_zombie")
        + _in("runs/test_store", "test_a_worker_that_was_killed_but_not_waited_for_is_lost"),
    ),
    Fault(
        18,
        "stop or start pressed twice, two tabs",
        "asking twice is asking once; a second start is refused, a second run waits for its turn",
        _in(
            "faults/test_processes",
            "test_of_two_starts_at_once_one_begins_and_the_other_is_refused",
        )
        + _in(
            "runs/test_process",
            "test_a_second_start_is_refused",
            "test_a_stop_asked_for_twice_is_asked_for_once",
            "test_two_who_stop_one_run_send_one_signal",
        )
        + _in("runs/test_lease", "test_a_second_holder_is_told_who_has_the_gpu")
        + _in("browser/test_queue", "test_a_second_start_waits_and_says_for_whom"),
    ),
    Fault(
        19,
        "a worker that ignores the stop",
        "after a while a signal, then the end of its whole tree; the page shows how long it takes",
        _in("faults/test_processes", "test_a_killed_worker_leaves_no_helper_behind")
        + _in(
            "runs/test_process",
            "test_a_worker_deaf_to_the_stop_file_gets_a_signal",
            "test_a_worker_deaf_to_signals_is_killed_with_its_children",
        )
        + _in("ui/test_view", "test_a_run_that_does_not_stop_can_be_ended_after_a_while"),
    ),
    Fault(
        20,
        "GPU memory is still held by another",
        "its holder is named; nothing is ended that was not started here",
        _in("runs/test_doctor", "test_the_doctor_says_who_has_the_gpu")
        + _in(
            "ui/test_plan_view",
            "test_while_another_trains_the_run_is_put_in_line_and_told_behind_whom",
            "test_a_program_that_is_not_of_this_app_is_named_by_its_pid",
        )
        + _in("runs/test_cards", "test_programs_are_named_on_their_card_the_most_first"),
    ),
    Fault(
        21,
        "the GPU is lost",
        "the process ends as *failed*; a resume goes on",
        _in(
            "faults/test_training",
            "test_a_gpu_that_is_lost_fails_the_run_in_words_and_it_can_go_on",
        ),
        "The test raises what torch raises; no card was taken away.",
    ),
    Fault(
        22,
        "no GPU, a CUDA that does not fit, 4 bit without its kernels",
        "said at the start; everything works on the CPU with the demo",
        _in(
            "engine/test_hardware",
            "test_a_cpu_without_bfloat16_computes_in_float32_and_says_so",
            "test_four_bit_works_on_this_cpu",
        )
        + _in("runs/test_doctor", "test_a_machine_without_a_driver_has_no_gpus")
        + _in("engine/test_model", "test_flash_attention_is_not_taken_on_a_cpu"),
    ),
    Fault(
        23,
        "the machine sleeps, the clock jumps",
        "no negative times; a worker is still known as ours; nothing earlier is discarded",
        _in(
            "faults/test_processes",
            "test_a_deaf_worker_is_ended_although_the_clock_was_set_meanwhile",
            "test_a_clock_that_jumps_by_a_day_disturbs_neither_page_nor_worker",
        )
        + _in(
            "runs/test_state",
            "test_a_clock_that_was_set_an_hour_ahead_makes_nobody_a_stranger",
            "test_a_clock_that_was_set_back_gives_no_negative_time",
        )
        + _in(
            "runs/test_store",
            "test_discarding_goes_by_what_was_there_and_not_by_the_clock",
        ),
        "The clock is set for page and worker as Python tells it, not that of the machine.",
    ),
    Fault(
        24,
        "two processes would write one run",
        "one writer by a lock; a reader never holds it up",
        _in(
            "runs/test_lock",
            "test_a_second_holder_is_refused",
            "test_two_who_only_look_do_not_see_each_other",
        )
        + _in("runs/test_lock", "test_a_forked_helper_does_not_keep_a_dead_workers_lock"),
    ),
    Fault(
        25,
        "the last line of the events is torn",
        "left for later, or passed over; the plot is drawn from the rest",
        _in(
            "runs/test_events",
            "test_reader_leaves_a_torn_line_for_later",
            "test_a_line_torn_by_a_killed_worker_costs_only_itself",
        )
        + _in("ui/test_live", "test_a_torn_line_waits_for_its_end"),
    ),
    Fault(
        26,
        "the events are damaged",
        "what cannot be read is passed over; the training does not notice",
        _in("ui/test_view", "test_strange_events_are_passed_over")
        + _in("runs/test_events", "test_a_file_shorter_than_the_offset_is_read_from_its_start"),
    ),
)
