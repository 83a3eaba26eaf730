"""The rows of the fault matrix: what goes wrong, what must happen, which tests cause it.

A test is named "FILE::TEST" below tests/. `note` says what a row's tests do not show.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One row: a fault, the behaviour promised, the tests that cause the fault."""

    number: int
    what: str
    promise: str
    tests: tuple[str, ...] = ()
    note: str = ""


def _in(file: str, *tests: str) -> tuple[str, ...]:
    return tuple(f"tests/{file}.py::{test}" for test in tests)


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
        "such a checkpoint does not count: no resume that silently differs",
        _in(
            "faults/test_training",
            "test_a_damaged_checkpoint_is_passed_over_by_the_resume_that_says_so",
        )
        + _in("engine/test_checkpoint", "test_a_checkpoint_without_an_optimizer_does_not_count"),
        "There is no offer to go on with the weights alone.",
    ),
    Fault(
        5,
        "settings, data or base model have changed since the checkpoint",
        "refused, with what differs",
        _in("engine/test_resume", "test_a_base_that_was_exchanged_is_refused_by_name")
        + _in(
            "engine/test_checkpoint",
            "test_a_run_from_before_a_setting_was_added_goes_on_from_its_checkpoint",
        )
        + _in("engine/test_prepare", "test_code_that_changed_between_two_attempts_is_told"),
        "Of changed settings the checkpoint is named, not each setting.",
    ),
    Fault(
        6,
        "the disk is full while saving, logging or exporting",
        "the run ends with a sentence and the bytes needed, the last good checkpoint stays, "
        "nothing half written; a resume goes on when there is space",
        _in(
            "faults/test_training",
            "test_a_full_disk_in_the_midst_of_a_save_leaves_the_last_good_one",
            "test_a_disk_that_is_full_between_two_saves_costs_no_event",
        )
        + _in("engine/test_checkpoint", "test_a_full_disk_is_said_before_anything_is_written")
        + _in("engine/test_export", "test_a_full_disk_is_said_before_anything_is_written"),
    ),
    Fault(
        7,
        "too little disk at the start",
        "refused before the first step, with the sum",
        _in("faults/test_training", "test_too_little_disk_is_said_before_the_first_step"),
        "The room for a download is not added up beforehand.",
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
        "the fused engine makes the step again in a smaller way; else the run ends with advice, "
        "its checkpoints stay",
        _in(
            "faults/test_training",
            "test_out_of_memory_ends_the_run_with_advice_and_it_can_go_on",
        )
        + _in(
            "engine/test_train",
            "test_a_run_goes_on_without_holes_when_the_memory_does_not_suffice_for_them",
        )
        + _in("engine/test_pace", "test_a_step_that_does_not_fit_is_made_again_in_a_smaller_way"),
        "No fresh process is started by itself: the person resumes.",
    ),
    Fault(
        10,
        "loss or gradient is not a number",
        "the run ends before it reaches the weights; never saved; the plot shows a gap, never 0",
        _in(
            "faults/test_training",
            "test_a_gradient_that_is_not_a_number_ends_the_run_before_it_is_saved",
        )
        + _in("engine/test_train", "test_a_loss_that_is_not_a_number_ends_the_run_unsaved")
        + _in("engine/test_callbacks", "test_the_meter_tells_a_loss_that_is_not_a_number")
        + _in("runs/test_events", "test_not_a_number_is_written_as_null")
        + _in("ui/test_view", "test_thinning_keeps_the_spike_the_end_and_what_is_not_a_number"),
        "The first bad batch ends it; none is skipped.",
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
        "asking twice is asking once; a second start is refused, and so is a second run on the GPU",
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
        + _in("browser/test_stories", "test_a_running_run_keeps_another_from_starting"),
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
        + _in("ui/test_plan_view", "test_who_holds_the_machine_is_named"),
        "Only holders of this app are named, not other programs.",
    ),
    Fault(
        21,
        "the GPU is lost",
        "the process ends as *failed*; a resume goes on",
        (),
        "Needs a GPU and a fault of its driver.",
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
        "The clock of the machine is not set: its traces in files and status are.",
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
    Fault(
        27,
        "the code's folder is missing, empty, not readable, gone while it is scanned",
        "one sentence; files that were passed over are counted with their reason",
        _in("engine/test_worker", "test_a_wrong_source_fails_with_a_way_out_before_torch_is_loaded")
        + _in(
            "core/test_source",
            "test_a_missing_folder_is_one_sentence_and_a_way_out",
            "test_an_empty_folder_says_so",
        )
        + _in("core/test_pipeline", "test_what_was_read_before_a_source_failed_comes_out_first"),
    ),
    Fault(
        28,
        "loops of links, links out of the root, devices, pipes",
        "never followed or opened",
        _in(
            "core/test_source",
            "test_links_pipes_and_sockets_are_never_opened",
            "test_a_file_that_became_a_pipe_is_not_waited_for",
            "test_folders_may_nest_deeper_than_recursion_goes",
        )
        + _in("core/test_git", "test_entries_that_lead_outside_are_never_opened"),
    ),
    Fault(
        29,
        "huge, minified, binary, NUL, UTF-16, Latin-1, BOM, CRLF",
        "passed over or made regular by rule, and listed with the reason",
        _in(
            "core/test_source",
            "test_what_is_not_text_is_dropped_with_its_reason",
            "test_utf16_with_its_mark_is_read",
            "test_windows_line_ends_become_unix_ones_and_leave_a_note",
        )
        + _in("core/test_clean", "test_the_text_decides", "test_bytes_become_text_or_a_reason")
        + _in("core/test_shape", "test_packed_javascript_and_css_are_named"),
    ),
    Fault(
        30,
        "a file changes or vanishes during the scan",
        "passed over with a reason; a scan of before is not believed",
        _in(
            "engine/test_scan_cache",
            "test_a_file_that_is_changed_or_added_is_seen",
            "test_a_file_that_is_gone_is_seen",
            "test_a_file_written_this_very_moment_is_not_trusted",
        )
        + _in("core/test_git", "test_a_file_deleted_from_the_work_tree_is_just_not_there"),
    ),
    Fault(
        31,
        "names with line breaks, quotes, markup, commands, 300 characters, stray bytes",
        "shown escaped, never in a shell",
        _in("core/test_source", "test_a_name_that_is_not_utf8_survives")
        + _in("ui/test_data_view", "test_rows_are_escaped_and_numbers_have_separators")
        + _in("browser/test_data_stories", "test_a_name_made_of_markup_is_only_a_name"),
    ),
    Fault(
        32,
        "code that holds control text such as <|fim_middle|>",
        "it is text in training and in serving; no control token comes of it",
        _in("core/test_tokens", "test_control_text_in_code_stays_text")
        + _in("core/test_fim", "test_control_text_in_code_is_text_and_not_a_sentinel"),
    ),
    Fault(
        33,
        "a secret in the code",
        "told with path, line, rule and a mask; not trained on, in no file of ours",
        _in("core/test_secrets", "test_at_least_95_in_100_planted_secrets_of_30_kinds_are_found")
        + _in("engine/test_scan", "test_a_secret_is_in_no_file_of_the_scan_or_the_cache")
        + _in("core/test_redact", "test_every_planted_file_is_redacted_and_then_clean")
        + _in("browser/test_data_stories", "test_a_secret_is_shown_masked_and_stands_nowhere"),
    ),
    Fault(
        34,
        "a hostile repository (core.fsmonitor, hooks, filters)",
        "nothing of it is run",
        _in("core/test_git", "test_a_hostile_repository_runs_nothing")
        + _in("core/test_source", "test_a_scan_never_runs_git")
        + _in(
            "engine/test_fetch",
            "test_filters_of_the_repository_are_not_run",
            "test_hooks_of_the_person_s_template_are_not_taken",
        ),
    ),
    Fault(
        35,
        "all files are filtered out, or too few are left",
        "refused before the model is loaded, with reasons",
        _in("engine/test_scan", "test_too_little_code_is_refused_after_its_files_are_listed")
        + _in("core/test_source", "test_a_folder_without_code_says_what_it_holds")
        + _in(
            "core/test_split", "test_too_little_code_is_refused_with_the_smallest_amount_that_works"
        )
        + _in("test_app", "test_too_few_files_are_refused"),
    ),
    Fault(
        36,
        "one file many times; the same code on both sides",
        "copies are left out before the split; what is alike on both sides is measured",
        _in("core/test_dedup", "test_the_first_path_of_a_text_is_named")
        + _in("core/test_near", "test_at_least_99_in_100_near_copies_are_found")
        + _in("core/test_leak", "test_the_share_is_that_of_what_was_planted")
        + _in("engine/test_prepare", "test_held_out_documents_are_not_in_the_training_rows"),
    ),
    Fault(
        37,
        "a model with pickles only, code of its own, no tokenizer, no FIM tokens",
        "refused with the reason; no code of it is run",
        _in("engine/test_hub", "test_a_folder_with_pickles_only_is_refused")
        + _in("core/test_tokens", "test_a_folder_without_a_fast_tokenizer_is_refused")
        + _in("core/test_families", "test_a_tokenizer_without_fim_tokens_is_refused_with_a_way_out")
        + _in("engine/test_model", "test_a_broken_model_is_one_sentence"),
    ),
    Fault(
        38,
        "a download is cut, the hub hangs, refuses or cannot be reached",
        "one sentence in bounded time; a model fetched before works offline",
        _in("faults/test_processes", "test_a_hub_that_hangs_is_one_sentence")
        + _in(
            "engine/test_hub",
            "test_offline_a_hub_model_is_refused_at_once",
            "test_a_model_fetched_before_is_used_offline",
            "test_offline_a_hub_dataset_is_refused",
        ),
    ),
    Fault(
        39,
        "an adapter of another base, of a wrong rank, a foreign .bin",
        "refused before it is loaded",
        _in("engine/test_serve", "test_an_adapter_of_another_base_is_refused")
        + _in("engine/test_export", "test_an_adapter_of_another_model_is_refused"),
    ),
    Fault(
        40,
        "an editor cancels at every key",
        "the writing ends at the token it is at, also for plain JSON; the queue is short",
        _in(
            "engine/test_serve",
            "test_a_closed_stream_ends_the_writing",
            "test_a_closed_plain_request_ends_the_writing",
            "test_after_a_cancel_the_next_is_answered",
        )
        + _in("engine/test_desk", "test_one_is_served_a_few_wait_and_more_are_refused"),
    ),
    Fault(
        41,
        "a prompt longer than the context, empty, only a suffix; absurd numbers",
        "cut at its far ends; numbers are held to limits",
        _in("core/test_fim", "test_a_served_prompt_fits_and_keeps_what_is_next_to_the_hole")
        + _in("engine/test_serve", "test_no_more_than_512_tokens_are_written"),
    ),
    Fault(
        42,
        "bad JSON, wrong types, a body of 100 MB or without end",
        "refused in the shape of the protocol; the worker does not notice",
        _in(
            "engine/test_serve",
            "test_a_body_that_is_no_json_is_refused",
            "test_nonsense_is_refused_in_openai_shape",
            "test_a_body_over_a_megabyte_is_refused",
            "test_a_body_of_unknown_length_is_refused",
        ),
        "A body that comes slowly is not ended by a clock.",
    ),
    Fault(
        43,
        "a request while the model is loaded or trained",
        "503, come again",
        _in("engine/test_desk", "test_while_it_loads_nobody_is_served"),
    ),
    Fault(
        44,
        "attacks by a web page: a foreign host name, a foreign origin, an upload",
        "refused; nothing is run or written",
        _in(
            "ui/test_guards",
            "test_a_foreign_name_for_this_machine_is_refused",
            "test_a_foreign_page_cannot_post",
            "test_another_local_port_is_foreign",
        )
        + _in(
            "engine/test_serve",
            "test_a_foreign_host_is_refused",
            "test_a_foreign_origin_is_refused",
        ),
    ),
    Fault(
        45,
        "a missing or wrong token",
        "401",
        _in("engine/test_serve", "test_a_wrong_token_is_refused")
        + _in("ui/test_guards", "test_without_the_password_nothing_is_answered"),
    ),
    Fault(
        46,
        "the port is taken",
        "one sentence; never open to other machines without being asked",
        _in(
            "ui/test_page",
            "test_a_taken_port_is_one_sentence",
            "test_an_open_address_wants_a_password",
        )
        + _in("test_app", "test_a_taken_port_is_refused_with_a_way_out")
        + _in("engine/test_serve", "test_a_taken_port_is_one_sentence"),
    ),
    Fault(
        47,
        "two versions of the app, an older file",
        "older files are read, newer ones refused in words",
        _in("core/test_config", "test_a_file_of_a_newer_app_is_refused")
        + _in("runs/test_state", "test_fields_of_a_newer_app_are_left_out")
        + _in("ui/test_data_panels", "test_a_report_of_an_older_app_has_no_panels"),
    ),
    Fault(
        48,
        "a home that cannot be written, paths with spaces and accents",
        "it works, or says so at the start",
        _in("runs/test_store", "test_a_home_that_cannot_be_written_is_refused_with_a_way_out"),
        "Long paths of Windows and disks that ignore case are not tried.",
    ),
    Fault(
        49,
        "an export is interrupted, or answers otherwise than the adapter",
        "no half export is left; what answers otherwise is not kept",
        _in(
            "engine/test_export",
            "test_a_wish_to_stop_leaves_nothing_behind",
            "test_what_a_killed_export_left_is_cleared_by_the_next",
            "test_an_export_that_answers_otherwise_is_not_kept",
        ),
    ),
    Fault(
        50,
        "settings out of their limits, NaN, text in a number's field",
        "a sentence at the field; nothing is started",
        _in(
            "core/test_config",
            "test_a_bad_setting_is_one_sentence_and_a_way_out",
            "test_wild_values_are_a_config_or_a_config_error",
        )
        + _in("browser/test_stories", "test_a_bad_setting_shows_its_message_and_nothing_starts"),
    ),
)
