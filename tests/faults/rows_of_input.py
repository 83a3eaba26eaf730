"""Rows 27 to 50: what goes wrong with what comes in: code, models, requests, settings."""

from __future__ import annotations

from tests.faults.fault import Fault
from tests.faults.fault import caused_in as _in

ROWS = (
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
        "refused with the reason; no code of it is run that was not allowed",
        _in("engine/test_own_code", "test_a_models_own_code_is_refused_before_it_runs")
        + _in("engine/test_hub", "test_a_folder_with_pickles_only_is_refused")
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
        "bad JSON, wrong types, a body of 100 MB, without end, or slow",
        "refused in the shape of the protocol; the worker does not notice",
        _in(
            "engine/test_serve",
            "test_a_body_that_is_no_json_is_refused",
            "test_nonsense_is_refused_in_openai_shape",
            "test_a_body_over_a_megabyte_is_refused",
            "test_a_body_of_unknown_length_is_refused",
        )
        + _in("ui/test_bounds", "test_a_body_that_stops_coming_is_ended_by_the_clock"),
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
