"""The log of all actions in the admin, read-only. Django records it, but shows users only their own actions."""

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.http import HttpRequest


@admin.register(LogEntry)
class LogEntryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["action_time", "user", "content_type", "action"]
    list_display_links = None
    list_filter = ["action_time", "content_type"]
    list_select_related = ["user", "content_type"]
    search_fields = ["=user__username", "=object_id"]
    show_full_result_count = False

    @admin.display(description="action")
    def action(self, entry: LogEntry) -> str:
        return str(entry)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
